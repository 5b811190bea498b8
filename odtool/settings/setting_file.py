"""Files of settings that people write, in TOML or YAML: their values, and the line that each stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool import state_files
from odtool.errors import ConfigError
from odtool.settings import setting_lines
from odtool.settings.setting_lines import DEEPEST
from odtool.state_files import StateError

if TYPE_CHECKING:
    from yaml import Node

_LARGEST = 1 << 16
"""Bytes; what people write by hand has some thousand."""
_LONGEST_INT = 2**63
_TOML, _YAML = (".toml",), (".yaml", ".yml")


@dataclass(frozen=True)
class SettingFile:
    """What a file says."""

    path: Path
    values: Mapping[str, Any]
    text: str

    def locate(self, keys: tuple[str, ...]) -> str:
        """'file:line' of the entry that these keys lead to, from the outermost; the file alone where it has none."""
        line = next((self._lines[keys[:count]] for count in range(len(keys), 0, -1) if keys[:count] in self._lines), 0)
        return f"{self.path}:{line}" if line else str(self.path)

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        if self.path.suffix.lower() in _TOML:
            return setting_lines.find_in_toml(self.text)
        return setting_lines.find_in_yaml(_compose(self.text))


def read(path: Path) -> SettingFile:
    """Reads a file by its ending, .toml, .yaml or .yml.

    Raises:
        ConfigError: it is missing, of another kind, or cannot be read; names the line.
    """
    ending = path.suffix.lower()
    if ending not in (*_TOML, *_YAML):
        raise ConfigError(f"{path}: neither TOML nor YAML", "Call it .toml, .yaml or .yml, as what it holds.")
    text = _read_text(path)
    try:
        values = _parse_toml(text) if ending in _TOML else _parse_yaml(text)
    except SettingSyntaxError as error:
        where = f"{path}:{error.line}" if error.line else str(path)
        raise ConfigError(f"{where}: {error}", "Fix that line.") from None
    except RecursionError:
        raise ConfigError(f"{path}: tables are nested too deeply", "Settings have two or three levels.") from None
    document = SettingFile(path, values, text)
    for keys, problem in _find_unfit(values):
        raise ConfigError(f"{document.locate(keys)}: {'.'.join(keys[:DEEPEST])}: {problem}", "Write another value.")
    return document


def _read_text(path: Path) -> str:
    try:
        return state_files.read_bytes(path, largest=_LARGEST).decode("utf-8-sig")
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigError(f"{path}: a link to what is not there", "Mend or remove the link.") from None
        raise ConfigError(f"{path}: no such file", "Check its path.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", "Check its permissions and links.") from None
    except StateError as error:
        raise ConfigError(f"{path}: {error}", "It is read as a short text file.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}", "Save it as UTF-8.") from None


class SettingSyntaxError(ValueError):
    """A text that is not in its format.

    Args:
        line: from 1; 0 where it is not known.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def _find_unfit(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Values that no setting has, with the keys that lead to them."""
    pending: list[tuple[tuple[str, ...], Any, int]] = [((), values, 0)]
    while pending:
        keys, value, depth = pending.pop()
        if depth > DEEPEST:
            yield keys, "is nested too deeply"
        elif isinstance(value, Mapping):
            pending += [((*keys, key), below, depth + 1) for key, below in value.items()]
        elif isinstance(value, list):
            pending += [(keys, below, depth + 1) for below in value]
        elif isinstance(value, int) and not -_LONGEST_INT <= value < _LONGEST_INT:
            yield keys, "a number of more than 64 bits"
        elif isinstance(value, str) and not _is_unicode(value):
            yield keys, "not a text of Unicode"


def _is_unicode(text: str) -> bool:
    """YAML's escapes may stand for half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return setting_lines.load_toml(text)
    except ValueError as error:  # TOMLDecodeError, and what Python's int says of too many digits
        message, _, place = str(error).partition(" (at ")
        if line := re.match(r"line (\d+)", place):
            raise SettingSyntaxError(message, int(line[1])) from None
        # The others are at the end of the text.
        raise SettingSyntaxError(message, text.count("\n") + 1 if place else 0) from None


def _parse_yaml(text: str) -> dict[str, Any]:
    """A mapping, without aliases, types, keys that are no texts, and keys that are there twice."""
    import yaml

    try:
        _refuse_odd_events(text)
        node = _compose(text)
        if node is None:
            return {}
        _refuse_odd_keys(node)
        if not isinstance(node, yaml.MappingNode):
            raise SettingSyntaxError("is not a table of names and values", node.start_mark.line + 1)
        loader = _make_loader(text)
        try:
            values: dict[str, Any] = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SettingSyntaxError(error.problem or "cannot be read", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise SettingSyntaxError(str(error).partition("\n")[0], 0) from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, SettingSyntaxError):
            raise
        raise SettingSyntaxError(str(error), 0) from None  # a date such as 2020-99-99
    return values


def _refuse_odd_events(text: str) -> None:
    """Looked for before anything is made of them: PyYAML takes the square of the depth, and trips over false types."""
    import yaml

    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise SettingSyntaxError("has an alias (*name)", line)
        if tag := getattr(event, "tag", None):
            raise SettingSyntaxError(f"has a type ({tag}), which is not read", line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise RecursionError


def _make_loader(text: str) -> Any:
    """PyYAML's safe one, to which 1e-3 is a number, as in YAML 1.2 and TOML."""
    import yaml

    class NumberLoader(yaml.SafeLoader):
        """A class of its own, so that what is added to it is not added for everybody."""

    pattern = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
    NumberLoader.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+0123456789"))
    return NumberLoader(text)


def _compose(text: str) -> Node | None:
    loader = _make_loader(text)
    try:
        node: Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def _refuse_odd_keys(node: Any) -> None:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_odd_keys(item)
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise SettingSyntaxError("a name is not a text; put it in quotes", key.start_mark.line + 1)
            if key.value in names:
                raise SettingSyntaxError(f"'{key.value}' is there twice", key.start_mark.line + 1)
            names.add(key.value)
            _refuse_odd_keys(value)

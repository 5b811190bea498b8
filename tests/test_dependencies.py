"""pyproject.toml declares what odtool imports, and requirements.lock pins what pyproject.toml asks for."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from odtool.api import doctor
from odtool.pipeline.text import messages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "pyproject.toml").read_text()
PYPROJECT: dict[str, Any] = tomllib.loads(TEXT)
LOCK = (ROOT / "requirements.lock").read_text()
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
API = ("tf-models-official", "tf-models-research-object-detection")


REQUIREMENTS = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
DEVELOPMENT = [Requirement(line) for line in PYPROJECT["dependency-groups"]["dev"]]
EXTRAS = [Requirement(line) for lines in PYPROJECT["project"]["optional-dependencies"].values() for line in lines]


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


REQUIRED = names(REQUIREMENTS)
OPTIONAL = names(EXTRAS) - REQUIRED


def imported(code: str) -> Iterator[str]:
    """The absolute modules that a file's import statements and literal `import_module` calls name."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            yield from (name.value for name in node.args if isinstance(name, ast.Constant))


@functools.cache
def installed() -> Mapping[str, list[str]]:
    """Each top-level module and the distributions that have a part of it."""
    return importlib.metadata.packages_distributions()


def distribution_of(module: str) -> str:
    """Where a module comes from; of distributions that share a namespace (google.…), by their lists of files."""
    parts = module.split(".")
    owners = set(installed()[parts[0]])
    for end in range(2, len(parts) + 1):
        if len(owners) > 1:
            part = re.compile(rf"^{'/'.join(parts[:end])}[/.]", flags=re.MULTILINE)
            files = {owner: importlib.metadata.distribution(owner).read_text("RECORD") or "" for owner in owners}
            owners = {owner for owner in owners if part.search(files[owner])} or owners
    if len(owners) > 1:  # mlflow brings all that mlflow-skinny brings
        owners = {owner for owner in owners if canonicalize_name(owner) in REQUIRED | OPTIONAL} or owners
    (owner,) = owners
    return canonicalize_name(owner)


def distributions(modules: set[str]) -> dict[str, str]:
    """Of modules that are neither Python's nor odtool's: distribution, and one module of it."""
    # What a marker leaves out on this Python, where it is a module of Python's own.
    elsewhere = {each.name for each in REQUIREMENTS if each.marker is not None and not each.marker.evaluate()}
    ours = {*sys.stdlib_module_names, "_typeshed", "odtool", *(elsewhere - installed().keys())}
    foreign = {name for name in modules if name.split(".")[0] not in ours}
    return {distribution_of(name): name for name in sorted(foreign)}


@functools.cache
def imports_of_odtool() -> dict[str, str]:
    files = sorted((ROOT / "odtool").rglob("*.py"))
    assert len(files) > 100
    return distributions({name for file in files for name in imported(file.read_text())})


@functools.cache
def imports_of_the_api() -> dict[str, str]:
    """What the loaded modules of the API and the Model Garden import and got, after all that odtool does with them."""
    from odtool.engine import compat

    compat.load()
    for module in ("train.training", "evaluate.evaluation", "evaluate.all_detections", "export.exporting"):
        importlib.import_module(f"odtool.engine.{module}")
    loaded = [
        module
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in ("object_detection", "official") and getattr(module, "__file__", None)
    ]
    assert len(loaded) > 100
    named = {name for module in loaded for name in imported(Path(str(module.__file__)).read_text())}
    present = {name for name in named if (top := name.split(".")[0]) in sys.modules and top in installed()}
    return distributions(present)


def reason(dependency: str) -> str:
    """The comment beside a dependency in pyproject.toml, or none."""
    (line,) = re.findall(rf'^  "{re.escape(dependency)}[^a-z].*$', TEXT, flags=re.MULTILINE | re.IGNORECASE)[:1]
    return line.partition("#")[2].strip()


def test_what_odtool_imports_is_declared() -> None:
    declared = REQUIRED | OPTIONAL
    assert {name: module for name, module in imports_of_odtool().items() if name not in declared} == {}


def test_optional_dependencies_are_those_that_odtool_imports_and_does_without() -> None:
    assert imports_of_odtool().keys() - REQUIRED == OPTIONAL


def test_what_the_api_imports_is_declared() -> None:
    """Its own requirements are not installed on Python 3.13: see messages.INSTALL_API."""
    assert {name: module for name, module in imports_of_the_api().items() if name not in REQUIRED} == {}


def test_what_is_declared_is_imported_or_says_why_it_is_there() -> None:
    used = imports_of_odtool().keys() | imports_of_the_api().keys()
    assert [name for name in sorted(REQUIRED) if name not in used and not reason(name)] == []


def test_what_uv_takes_for_the_requirements_of_the_api_is_declared() -> None:
    entries = PYPROJECT["tool"]["uv"]["dependency-metadata"]
    assert {entry["name"] for entry in entries} == {*API, "lvis"}
    for entry in entries:
        assert names([Requirement(line) for line in entry["requires-dist"]]) <= REQUIRED, entry["name"]


def test_uv_is_told_nothing_that_an_install_from_the_lock_obeys() -> None:
    """Constraints and overrides found here make `uv pip install --require-hashes` fail, or pass over the lock."""
    assert PYPROJECT["tool"]["uv"].keys() == {"dependency-metadata"}


def test_the_line_that_installs_the_api_names_the_releases_that_are_declared() -> None:
    *command, garden, api = messages.INSTALL_API.split()
    assert command == ["pip", "install", "--no-deps"]
    for name, text in zip(API, (garden, api), strict=True):
        declared = [each for each in (*REQUIREMENTS, *DEVELOPMENT) if each.name == name]
        assert [each.specifier for each in declared] == [Requirement(text).specifier] * 2
    assert messages.INSTALL_API in (ROOT / "README.md").read_text().splitlines()


def test_the_pythons_are_the_same_everywhere() -> None:
    assert PYPROJECT["project"]["requires-python"] == ">=3.10,<3.14"
    classifiers = PYPROJECT["project"]["classifiers"]
    assert [each.split()[-1] for each in classifiers if "Python :: 3." in each] == list(PYTHONS)
    oldest, newest = (".".join(map(str, version)) for version in doctor.PYTHONS)
    assert (oldest, newest) == (PYTHONS[0], PYTHONS[-1])


def applies(requirement: Requirement, python: str) -> bool:
    """Whether it is one on Linux with this Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    return requirement.marker is None or requirement.marker.evaluate(environment)


def locked(python: str) -> dict[str, str]:
    """Versions that the lock gives on Linux with this Python."""
    pins: dict[str, str] = {}
    for line in re.findall(r"^[a-z0-9][^\\\n]*", LOCK, flags=re.MULTILINE):
        requirement = Requirement(line.strip())
        if applies(requirement, python):
            (pin,) = requirement.specifier
            name = canonicalize_name(requirement.name)
            assert pin.operator == "==", line
            assert name not in pins, f"{name} twice for Python {python}"
            pins[name] = pin.version
    return pins


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_gives_every_python_what_is_declared(python: str) -> None:
    pins = locked(python)
    for requirement in (*REQUIREMENTS, *DEVELOPMENT):
        if applies(requirement, python):
            pin = pins[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(pin), f"{requirement} and {pin}"
    assert pins["tensorflow"].startswith("2.21.")
    assert pins["tf-keras"].rpartition(".")[0] == pins["tensorboard"].rpartition(".")[0] == "2.21"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_no_second_build_of_opencv_and_no_tensorflow_io(python: str) -> None:
    """Every build of OpenCV writes the same folder, and others need X; tensorflow-io has no wheel for Python 3.13."""
    pins = locked(python)
    assert [name for name in pins if "opencv" in name] == ["opencv-python-headless"]
    assert "tensorflow-io" not in pins


def test_the_lock_names_no_index() -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", LOCK)

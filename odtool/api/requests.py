"""What all requests share: a call with a request's fields, the run that is meant, and refusals that name the field."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from odtool import parts
from odtool.errors import DataError, OdtoolError
from odtool.parts import WorkPart
from odtool.pipeline import addresses
from odtool.workspace import Run, Workspace

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from odtool.jobs.devices import DeviceChoice

P = ParamSpec("P")
RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")

StrPath: TypeAlias = str | os.PathLike[str]
CheckpointName: TypeAlias = str
"""A word for one, such as best, or a path."""
_ARGUMENTS = ("sources", "folder", "run", "runs", "exports")
"""Fields that are typed without an option."""
_PATH_TYPES = ("StrPath", "Sources", "CheckpointName", "RunName")
RunName: TypeAlias = str | Run
"""A run by its name, or as an earlier call gave it."""
Notify: TypeAlias = Callable[[str], None]
"""Called with what is being done, a line each."""


class RequestError(OdtoolError):
    """A field of a request that cannot mean anything.

    Args:
        field: the field's name; the command line shows its option.
        problem: what is wrong with its value.
    """

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{field}: {problem}", hint)
        self.field = field
        self.problem = problem


def takes(request: Callable[P, RequestT]) -> Callable[[Callable[[RequestT], ResultT]], Callable[P, ResultT]]:
    """Turns a function of one request into one that is called with the request's fields.

    Fields, defaults and their documents so stand once, in the request; the function has its signature.
    """

    def decorate(function: Callable[[RequestT], ResultT]) -> Callable[P, ResultT]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> ResultT:
            made = request(*args, **kwargs)
            _refuse_addresses(made)
            return function(made)

        result = inspect.signature(function).return_annotation
        # What inspect, help() and notebooks show.
        call.__signature__ = inspect.signature(request).replace(return_annotation=result)  # type: ignore[attr-defined]
        return call

    return decorate


def _refuse_addresses(request: Any) -> None:
    """Raises DataError where a path is an address such as gs://bucket, unless the request takes those itself."""
    own = getattr(request, "TAKES_ADDRESSES", ())
    for item in fields(request):
        if item.name in own or not any(name in str(item.type) for name in _PATH_TYPES):
            continue
        value = getattr(request, item.name)
        named = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        for path in named:
            if isinstance(path, (str, os.PathLike)):  # what names a run may be one
                option = "" if item.name in _ARGUMENTS else f"--{item.name.replace('_', '-')}"
                addresses.refuse(option, os.fspath(path))


def ignore(_text: str) -> None:
    """Notes that nobody reads."""


def find_workspace(path: StrPath) -> Workspace:
    """The workspace in a folder.

    Raises:
        OdtoolError: there is no such folder.
    """
    addresses.refuse("--workspace", os.fspath(path))
    folder = Path(path)
    if not folder.is_dir():
        raise OdtoolError(f"{path}: no such folder", "Give --workspace a folder that exists.")
    return Workspace(folder.resolve())


@dataclass(frozen=True)
class Chosen:
    """The run that a request means, and the workspace that it is in."""

    space: Workspace
    run: Run


def find_run(workspace: StrPath, run: RunName | None, notify: Notify = ignore) -> Chosen:
    """The run named, or the newest of the workspace where none is; a Run is in a workspace of its own.

    Args:
        notify: told where the workspace was moved, so that the run's config means other paths than it says.

    Raises:
        OdtoolError: there is no such folder or run.
    """
    space = Workspace(run.path.parent.parent) if isinstance(run, Run) else find_workspace(workspace)
    chosen = Chosen(space, space.find_run(run.name if isinstance(run, Run) else run))
    if notify is not ignore and (move := describe_move(chosen.run)):
        notify(move)
    return chosen


def describe_move(run: Run) -> str:
    """What paths of a run's config are followed to, or why not, where its workspace was moved or copied; else ''."""
    from odtool.pipeline.text import config

    try:
        move = config.load(run.pipeline_config).move
    except (OdtoolError, OSError):  # whoever needs the config says what is wrong with it
        return ""
    return move.describe() if move else ""


def choose_device(gpu: str | int | None) -> DeviceChoice:
    """What `gpu` means on this machine.

    Raises:
        JobError: there is no such GPU.
    """
    from odtool.jobs import devices

    return devices.choose(devices.find_gpus(), None if gpu is None else str(gpu))


def choose_part(text: str | None, notify: Notify) -> WorkPart | None:
    """The part of a work that this process is to do; None for everything, which is told where others do the same.

    Raises:
        RequestError: the text is not a part, or nothing here says which one is meant.
    """
    try:
        part = parts.choose(text, os.environ)
        warning = parts.warn_of_others(os.environ) if part is None and text is None else ""
    except DataError as error:
        raise RequestError("part", error.message, error.hint) from None
    if warning:
        notify(warning)
    return part


def refuse_beside(request: DataclassInstance, option: str, allowed: Collection[str]) -> None:
    """Raises RequestError where a field has been given that means nothing beside an option."""
    for item in fields(request):
        if item.name not in allowed and getattr(request, item.name) != item.default:
            raise RequestError(item.name, f"means nothing with --{option}")


def refuse_unknown_metric(field: str, name: str | None) -> None:
    """Raises RequestError where no evaluation gives a metric of this name."""
    from odtool.detection import metric_names

    if name is not None:
        try:
            metric_names.resolve_name(name)
        except OdtoolError as error:
            raise RequestError(field, error.message, error.hint) from None


def refuse_unusable_target(field: str, target: str | None) -> None:
    """Raises RequestError where a target is given that nothing can be brought to."""
    from odtool.jobs.notify import delivery

    if target is not None and (problem := delivery.explain_unusable(target)):
        raise RequestError(field, problem, "Give a URL as in https://example.com/hook, or a command in quotes.")


def split_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names, each once, of a text with commas between them or of a list."""
    words = names.split(",") if isinstance(names, str) else names
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


def refuse_below(field: str, value: float | None, least: float) -> None:
    """Raises RequestError where a number is given and is too small."""
    if value is not None and not value >= least:
        raise RequestError(field, f"{value} is not {least} or more")


def refuse_outside_share(field: str, value: float | None) -> None:
    """Raises RequestError where a number is given that is no share of a whole."""
    if value is not None and not 0 < value <= 1:
        raise RequestError(field, f"is a share above 0 and up to 1, not {value:g}")


def refuse_unknown(field: str, values: Collection[str], known: Collection[str]) -> None:
    """Raises RequestError where nothing is named, or what is not known."""
    names = ", ".join(known)
    for value in values:
        if value not in known:
            raise RequestError(field, f"'{value}' is not one of {names}")
    if not values:
        raise RequestError(field, f"names none of {names}")

"""odtool version: odtool's version, and those of what it stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtool.api import doctor as api
from odtool.cli import console
from odtool.cli.common_options import DebugOption, JsonOption

if TYPE_CHECKING:
    from rich.console import Console


def version(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Show the versions of odtool, Python, TensorFlow and the Object Detection API, for a report of a fault.

    Example: `odtool version --json`
    """
    versions = api.list_versions()
    console.show(versions, as_json=as_json, render=lambda screen: _render(versions, screen))


def _render(versions: dict[str, str | None], screen: Console) -> None:
    for name, number in versions.items():
        screen.print(f"{name:<38}{number or 'not installed'}", markup=False)

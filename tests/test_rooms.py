"""The import rules of docs/design.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "odtool"
FOUNDATION = {f"odtool.{path.stem}" for path in PACKAGE.glob("[a-z]*.py")}
ALLOWED = {
    "visual": FOUNDATION | {"odtool.visual", "odtool.dataset.types"},
    "dataset": FOUNDATION | {"odtool.dataset", "odtool.visual"},
    "pipeline": FOUNDATION | {"odtool.pipeline", "odtool.dataset.label_map", "odtool.dataset.statistics"},
    "jobs": FOUNDATION | {"odtool.jobs"},
    "detection": FOUNDATION | {"odtool.detection", "odtool.dataset", "odtool.visual"},
    "report": FOUNDATION
    | {"odtool.report", "odtool.detection", "odtool.dataset", "odtool.pipeline", "odtool.jobs", "odtool.visual"},
    "engine": FOUNDATION | {"odtool.engine", "odtool.pipeline", "odtool.detection", "odtool.dataset.label_map"},
    "cli": FOUNDATION
    | {"odtool.cli", "odtool.dataset", "odtool.pipeline", "odtool.jobs", "odtool.detection", "odtool.report"}
    | {"odtool.visual"},
}
HEAVY = {"tensorflow", "object_detection", "tf_keras", "keras", "official", "orbit"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def within(name: str, allowed: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in allowed)


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    modules = sorted((PACKAGE / room).rglob("*.py"))
    assert modules
    for module in modules:
        ours = {name for name in imports(module) if name.split(".")[0] == "odtool"} - {"odtool.__version__"}
        strangers = {name for name in ours if not within(name, ALLOWED[room])}
        assert not strangers, f"{module.relative_to(PACKAGE)} imports {sorted(strangers)}"


def test_only_the_engine_imports_tensorflow() -> None:
    for module in PACKAGE.rglob("*.py"):
        if module.is_relative_to(PACKAGE / "engine"):
            continue
        heavy = {name for name in imports(module) if name.split(".")[0] in HEAVY}
        # The schema loader gives the API's messages without running object_detection's own code.
        heavy -= {name for name in heavy if name.startswith("object_detection.protos")}
        assert not heavy, f"{module.relative_to(PACKAGE)} imports {sorted(heavy)}"


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys, odtool.cli\n"
        "heavy = {'tensorflow', 'object_detection', 'pandas', 'numpy', 'PIL', 'lxml', 'google.protobuf'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The rules of docs/explanation/design.md on what may import what, and on what there may be only one of."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "odtool"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOUNDATION = {f"odtool.{path.stem}" for path in PACKAGE.glob("[a-z]*.py")}
ROOMS = {
    *("odtool.dataset", "odtool.pipeline", "odtool.jobs", "odtool.detection", "odtool.reporting", "odtool.visual"),
    *("odtool.settings", "odtool.tuning"),
}
ALLOWED = {
    "visual": FOUNDATION | {"odtool.visual"},
    "dataset": FOUNDATION | {"odtool.dataset", "odtool.visual"},
    "pipeline": FOUNDATION | {"odtool.pipeline", "odtool.dataset.label_map", "odtool.dataset.statistics"},
    "jobs": FOUNDATION | {"odtool.jobs"},
    "detection": FOUNDATION | {"odtool.detection", "odtool.dataset", "odtool.visual"},
    "reporting": FOUNDATION | ROOMS - {"odtool.tuning", "odtool.settings"},
    "tracking": FOUNDATION
    | {"odtool.tracking", "odtool.pipeline", "odtool.jobs.state", "odtool.reporting.settings_diff"},
    "tuning": FOUNDATION
    | {
        "odtool.tuning",
        "odtool.settings",
        "odtool.pipeline",
        "odtool.reporting",
        "odtool.visual",
        "odtool.detection.metric_names",
    },
    "settings": FOUNDATION | {"odtool.settings"},
    "engine": FOUNDATION
    | {"odtool.engine", "odtool.pipeline", "odtool.detection", "odtool.dataset.label_map", "odtool.dataset.images"}
    | {"odtool.api.tasks.engine_tasks", "odtool.api.tasks.arguments", "odtool.api.tasks.gpu_memory"},
    "api": FOUNDATION | ROOMS | {"odtool.api", "odtool.tracking"},
    "cli": FOUNDATION | {"odtool.cli", "odtool.api", "odtool.settings"},
}
EXCEPTIONS = {
    # Loading a detector in the caller's own process is what the function is for.
    "api/result/detector.py": {"odtool.engine.detect.loading"},
}
HEAVY = {"tensorflow", "object_detection", "tf_keras", "keras", "official", "orbit"}
NOT_LOADED = {"tensorflow", "object_detection", "pandas", "numpy", "PIL", "lxml", "google.protobuf"}


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path, nodes: Iterator[ast.AST] | None = None) -> set[str]:
    """Full names of all that is imported, or of what `nodes` import."""
    names = set()
    for node in nodes or ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{name.name}" for name in node.names}
    return names


def within(name: str, allowed: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in allowed)


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    modules = sorted((PACKAGE / room).rglob("*.py"))
    assert modules
    for module in modules:
        place = str(module.relative_to(PACKAGE))
        ours = {name for name in imports(module) if name.split(".")[0] == "odtool"} - {"odtool.__version__"}
        strangers = {name for name in ours if not within(name, ALLOWED[room])} - EXCEPTIONS.get(place, set())
        assert not strangers, f"{place} imports {sorted(strangers)}"


def test_every_exception_is_needed() -> None:
    for place, names in EXCEPTIONS.items():
        assert names <= imports(PACKAGE / place)


def test_the_foundation_imports_itself_alone() -> None:
    for name in FOUNDATION:
        module = PACKAGE / f"{name.partition('.')[2]}.py"
        ours = {other for other in imports(module) if other.split(".")[0] == "odtool"}
        aside = {f"odtool.{own.partition('.')[2]}" for own in FOUNDATION}
        assert all(within(other, aside) for other in ours), f"{module.name} imports {sorted(ours)}"


def test_only_the_engine_imports_tensorflow() -> None:
    for module in MODULES:
        if module.is_relative_to(PACKAGE / "engine"):
            continue
        heavy = {name for name in imports(module) if name.split(".")[0] in HEAVY}
        # The schema loader gives the API's messages without running object_detection's own code.
        heavy -= {name for name in heavy if name.startswith("object_detection.protos")}
        assert not heavy, f"{module.relative_to(PACKAGE)} imports {sorted(heavy)}"


def test_commands_do_not_import_commands() -> None:
    commands = {"odtool.cli." + name for name in ("demo", "doctor", "settings")}
    for folder in ("data", "model", "run", "result"):
        for module in (PACKAGE / "cli" / folder).glob("*.py"):
            if any(isinstance(node, ast.FunctionDef) and node.name == module.stem for node in parse(module).body):
                commands.add(f"odtool.cli.{folder}.{module.stem}")
    assert len(commands) > 15
    for module in (PACKAGE / "cli").rglob("*.py"):
        if module != PACKAGE / "cli" / "__init__.py":
            assert not (imports(module) & commands), module


@pytest.mark.parametrize(
    ("package", "more"), [("odtool", {"typer", "rich", "odtool.api", "odtool.dataset"}), ("odtool.cli", set())]
)
def test_importing_it_loads_nothing_heavy(package: str, more: set[str]) -> None:
    code = f"import sys, {package}\nprint(*sorted({NOT_LOADED | more!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _runtime_nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Of a module, what runs when it is imported: neither its functions nor what is for type checkers only."""
    for node in body:
        if isinstance(node, ast.If):
            checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            yield from _runtime_nodes([] if checking else node.body)
            yield from _runtime_nodes(node.orelse)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {module_name(path): path for path in MODULES}

    def target(name: str) -> str | None:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name or None

    graph = {
        name: {other for found in imports(path, _runtime_nodes(parse(path).body)) if (other := target(found))} - {name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for other in graph[name]:
                # A package's own text and those of its modules refer to each other: odtool.__version__, subcommands.
                if not other.startswith(f"{name}.") and not name.startswith(f"{other}."):
                    visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_a_class_has_a_name_of_its_own() -> None:
    counts = Counter(
        node.name
        for path in MODULES
        for node in parse(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in counts.items() if count > 1} == set()


def test_no_folder_is_too_full_to_find_things_in() -> None:
    counts = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in counts.items() if count > 15} == {}


def test_every_file_opens_with_a_sentence() -> None:
    for path in MODULES:
        first = (ast.get_docstring(parse(path)) or "").partition("\n")[0]
        assert first.endswith((".", "…", "!", ":")), f"{path.relative_to(PACKAGE)}: {first!r}"


def test_a_text_stands_only_where_it_documents_something() -> None:
    """A docstring, or a note below an assignment; anywhere else it has lost what it spoke of."""
    for path in MODULES:
        for node in ast.walk(parse(path)):
            body = getattr(node, "body", None)
            if not isinstance(body, list):
                continue
            for before, statement in zip([None, *body], body, strict=False):
                text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                if text and isinstance(statement.value.value, str):
                    documents = before is None or isinstance(before, (ast.Assign, ast.AnnAssign))
                    assert documents, f"{path.relative_to(PACKAGE)}:{statement.lineno}"


def test_a_folder_can_be_read_at_a_glance() -> None:
    for folder in {path.parent for path in MODULES}:
        modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MOST_FILES, f"{folder.relative_to(PACKAGE.parent)} holds {len(modules)} modules"


MOST_FILES = 20

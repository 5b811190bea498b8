"""The walk of a config through this room goes one way: text, zoo, checks, configure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from odtool.pipeline.checks import check_list

PIPELINE = Path(check_list.__file__).parents[1]
LAYERS = ["text", "zoo", "checks", "configure"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_none_above_it(layer: str) -> None:
    above = LAYERS[LAYERS.index(layer) + 1 :]
    modules = sorted((PIPELINE / layer).rglob("*.py"))
    assert len(modules) > 3
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom):
                parts = (node.module or "").split(".")
                assert not (parts[:2] == ["odtool", "pipeline"] and parts[2:3] and parts[2] in above), module


def test_every_check_is_in_the_list() -> None:
    functions = {
        node.name
        for module in (PIPELINE / "checks").rglob("*.py")
        for node in ast.parse(module.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("check_")
        and [argument.arg for argument in node.args.args] == ["facts"]
    }
    assert functions == {check.__name__ for check in check_list.CHECKS}

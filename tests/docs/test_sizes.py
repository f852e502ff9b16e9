"""How large the classes and functions of supervision and messaging may be; an exception has its reason beside it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "orchestrator"
ROOMS = [path for room in ("supervise", "messaging") for path in sorted((PACKAGE / room).rglob("*.py"))]
METHODS, ATTRIBUTES, LINES, PARAMETERS = 20, 12, 45, 7
EXCEPTIONS = {"Route": "many methods", "Run": "more than a dozen"}  # what their docstrings say of it


def _attributes(of: ast.ClassDef) -> set[str]:
    stored = (node for node in ast.walk(of) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    return {node.attr for node in stored if isinstance(node.value, ast.Name) and node.value.id == "self"}


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_classes_and_functions_are_small_or_say_why_not(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = [one.arg for one in (*node.args.args, *node.args.kwonlyargs) if one.arg != "self"]
            assert node.end_lineno - node.lineno < LINES, node.name
            assert len(parameters) <= PARAMETERS, node.name
        if isinstance(node, ast.ClassDef):
            methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
            is_small = len(methods) <= METHODS and len(_attributes(node)) <= ATTRIBUTES
            assert is_small or EXCEPTIONS.get(node.name, "-" * 80) in (ast.get_docstring(node) or ""), node.name

"""Classes and functions are small, or the docstring says why it is better so, after `Larger than most`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "orchestrator"
METHODS, ATTRIBUTES, LINES, PARAMETERS = 20, 12, 45, 7
WHY = "Larger than most, as "
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def nodes(trees: dict[str, ast.Module], kind: type) -> Iterator[tuple[str, ast.AST]]:
    return (
        (f"{path}:{node.lineno} {node.name}", node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, kind)
    )


def says_why(node: ast.ClassDef | Function) -> bool:
    return WHY in " ".join((ast.get_docstring(node) or "").split())


def methods(node: ast.ClassDef) -> list[Function]:
    return [part for part in node.body if isinstance(part, Function)]


def attributes(node: ast.ClassDef) -> set[str]:
    found = (part for method in methods(node) for part in ast.walk(method) if isinstance(part, ast.Attribute))
    return {
        part.attr
        for part in found
        if isinstance(part.ctx, ast.Store) and isinstance(part.value, ast.Name) and part.value.id == "self"
    }


def is_command(node: Function) -> bool:
    """Whether its parameters are the options of a command, which click passes one by one."""
    names = {part.id for each in node.decorator_list for part in ast.walk(each) if isinstance(part, ast.Name)}
    return bool(names & {"command", "click"})


def parameters(node: Function) -> int:
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([each for each in named if each.arg not in ("self", "cls")])


def test_classes_are_small_or_say_why_not(trees):
    large = {
        name: (len(methods(node)), len(attributes(node)))
        for name, node in nodes(trees, ast.ClassDef)
        if (len(methods(node)) > METHODS or len(attributes(node)) > ATTRIBUTES) and not says_why(node)
    }
    assert large == {}


def test_functions_are_short_or_say_why_not(trees):
    long = {
        name: node.end_lineno - node.lineno + 1
        for name, node in nodes(trees, Function)
        if node.end_lineno - node.lineno >= LINES and not says_why(node)
    }
    assert long == {}


def test_functions_take_few_parameters_or_say_why_not(trees):
    many = {
        name: parameters(node)
        for name, node in nodes(trees, Function)
        if parameters(node) > PARAMETERS and not is_command(node) and not says_why(node)
    }
    assert many == {}

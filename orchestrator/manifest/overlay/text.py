"""A tree → YAML that reads back as the same values: block style, one order of keys, and where each part was written.

`airs render` prints it. Keys of a deployment come in the order of its schema, all others sorted; the same tree is the
same text, byte for byte.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.manifest.node import Node, Scalar
from orchestrator.manifest.scalars import LOOKS_BOOLEAN, BadScalarError, resolve_plain
from orchestrator.manifest.schema import schema

Remark = Callable[[Node], str]  # for a node: where it was written, empty where that needs no saying
INDENT = "  "
_PLAIN = re.compile(r"[A-Za-z_./$@+^~-]?[A-Za-z0-9_./@*+^~-]*[A-Za-z0-9_/*]")
_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def canonical(root: Node) -> Node:
    """Return a tree with its keys in the one order: a deployment's as its schema has them, all others sorted."""
    return _ordered(root, schema("deployment"))


def yaml_text(root: Node, remark: Remark = lambda _: "") -> str:
    """Write a tree in its own order, without the line that begins a document.

    `remark` is put behind a value as a comment.
    """
    return "".join(f"{line}\n" for line in _lines(root, remark, ""))


def scalar_text(value: Scalar) -> str:
    """Write a scalar so that it reads back as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return value if _is_plain(value) else '"' + "".join(map(_escaped, value)) + '"'


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or text in LOOKS_BOOLEAN or text.startswith(("-", "~", "@", "*")):
        return False
    try:
        return resolve_plain(text) == text
    except BadScalarError:
        return False


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable() and character != "\ufeff":
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _lines(node: Node, remark: Remark, told: str) -> Iterator[str]:
    """Yield the lines of a node; `told` is the remark that stands above it already."""
    value = node.value
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _entry(f"{scalar_text(key)}:", child, remark, told)
    elif isinstance(value, list) and value:
        for item in value:
            lines = _lines(item, remark, told)
            first = next(lines)
            is_nested = isinstance(item.value, dict | list) and item.value
            yield f"- {first}" if is_nested else f"- {_remarked(first, item, remark, told)}"
            yield from (INDENT + line for line in lines)
    elif isinstance(value, dict | list):
        yield "{}" if isinstance(value, dict) else "[]"
    else:
        yield scalar_text(value)


def _entry(key: str, child: Node, remark: Remark, told: str) -> Iterator[str]:
    if not (isinstance(child.value, dict | list) and child.value):
        yield _remarked(f"{key} {next(_lines(child, remark, told))}", child, remark, told)
        return
    yield _remarked(key, child, remark, told)
    yield from (INDENT + line for line in _lines(child, remark, remark(child) or told))


def _remarked(line: str, node: Node, remark: Remark, told: str) -> str:
    here = remark(node)
    return f"{line}  # {here}" if here and here != told else line


def _ordered(node: Node, shape: Mapping[str, Any]) -> Node:
    value = node.value
    if isinstance(value, list):
        items = shape.get("items", {})
        return Node([_ordered(item, items) for item in value], *node.place)
    if not isinstance(value, dict):
        return node
    below = shape.get("properties", {})
    places = {key: index for index, key in enumerate(below)}
    keys = sorted(value, key=lambda key: (places.get(key, len(places)), key))
    return Node({key: _ordered(value[key], below.get(key, {})) for key in keys}, *node.place, node.keys)

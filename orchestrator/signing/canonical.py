"""A Component.toml as data → the bytes that are the same however it is written down, and their digest.

Comments, white space, the order of keys and dotted or quoted names do not count; every value does, those that nothing
acts on included. Nothing is filled in: a default that is written out is another document, as a later version of airs
may have another default. The caller has held the data against the schema, so that they are text, whole numbers,
truth values, lists and tables.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.model.base import canonical_json


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of a Component.toml."""
    asked = document.get("capabilities")
    if isinstance(asked, dict):
        document = {**document, "capabilities": dict(_named(asked))}
    return canonical_json(document)


def manifest_digest(document: Mapping[str, Any]) -> str:
    """Return `sha256:<hex>` of the canonical bytes."""
    from hashlib import sha256

    return f"sha256:{sha256(canonical(document)).hexdigest()}"


def _named(asked: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each capability by its whole name: `storage.read = […]` is written dotted, as a table, or quoted."""
    for name, value in asked.items():
        if isinstance(value, dict) and name != "rationale":
            yield from ((f"{name}.{inner}", patterns) for inner, patterns in value.items())
        else:
            yield name, value

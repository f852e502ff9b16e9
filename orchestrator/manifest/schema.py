"""Finds the JSON Schemas that ship with the program and gives out their text; `airs schema` prints it.

The schemas are the one place where keys, ranges and defaults are written down. A wheel carries them inside the
package, a checkout at its top. Nothing here checks a manifest: `check` does.
"""

import functools
import re
from pathlib import Path
from typing import Any

import orchestrator
from orchestrator.decoding import plain_from_json

_SUFFIX = ".schema.json"
_KIND = re.compile(r"[a-z][a-z0-9-]{0,62}")


def schema_kinds() -> tuple[str, ...]:
    """Return every kind that has a schema, sorted."""
    names = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def schema_text(kind: str) -> str:
    """Return the JSON Schema of `kind` as it ships.

    Raises:
        LookupError: there is no schema of that name.
    """
    file = _folder().joinpath(kind + _SUFFIX)
    if not _KIND.fullmatch(kind) or not file.is_file():
        raise LookupError(f"there is no schema `{kind}`; there are {', '.join(schema_kinds())}")
    return file.read_text(encoding="utf-8")


@functools.cache
def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of `kind`, decoded; shared, so do not change it."""
    decoded: dict[str, Any] = plain_from_json(schema_text(kind))
    return decoded


def _folder() -> Path:
    package = Path(orchestrator.__file__).parent  # `importlib.resources` takes longer to import than schemas to read
    shipped = package / "_data/schemas"
    return shipped if shipped.is_dir() else package.parent / "schemas"

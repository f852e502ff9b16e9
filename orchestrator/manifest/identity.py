"""A revision's content → its id: equal content gives equal ids, in every version of airs that knows what it says.

A field at its default is left out, so that a field that is added later, with what holds today as its default, changes
the id of nothing that runs: else an agent would roll everything out anew after an upgrade. Ids are recorded as they
were made, and made again of each manifest that is read, so this must go on giving what it gave; the golden ids in
`tests/manifest/test_identity.py` hold it to that.
"""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec

from orchestrator.model.spec import Job, Limits, Revision

# Hashed at their defaults, too, for they were when the first ids were recorded. Nothing is ever added here.
_ALWAYS_SAID = ((Limits, "storage_bytes"), (Job, "args"), (Job, "env"))


def identified(content: Revision) -> Revision:
    """Return a revision with the id that its content has."""
    said = {name: value for name, value in sorted(terse(content).items()) if name not in ("id", "origin")}
    return msgspec.structs.replace(content, id=sha256(msgspec.json.encode(said)).hexdigest())


def terse(value: msgspec.Struct) -> dict[str, Any]:
    """Return the values of a struct in the order of its fields, by their names in JSON; defaults are left out."""
    return {name: _terse(own) for name, own in _said(value)}


def _said(value: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    config = value.__struct_config__
    if config.tag_field is not None:
        yield config.tag_field, config.tag
    for name, encoded, default in _fields(type(value)):
        own = getattr(value, name)
        if own != default:
            yield encoded, own


@cache
def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    """Return the name of each field, here and in JSON, and the value that is left out."""
    fields = msgspec.structs.fields(kind)
    return [(each.name, each.encode_name, _default_of(kind, each)) for each in fields]


def _default_of(kind: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> Any:
    if any(issubclass(kind, said) and field.name == name for said, name in _ALWAYS_SAID):
        return msgspec.NODEFAULT
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _terse(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return terse(value)
    return [_terse(each) for each in value] if isinstance(value, tuple) else value

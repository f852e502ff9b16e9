"""The struct every value of ours derives from, and the one canonical way to turn a value into bytes."""

from typing import Any

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An immutable, comparable value whose JSON form uses the manifests' camelCase names."""


def canonical_json(value: Any) -> bytes:
    """Encode `value` so that equal values give equal bytes (sorted keys, no spaces)."""
    return msgspec.json.encode(value, order="deterministic")


def digest_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, in lower-case hex."""
    from hashlib import sha256  # takes every command a while to import, and few need it

    return sha256(canonical_json(value)).hexdigest()

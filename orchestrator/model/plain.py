"""The plain Python values that stand for WIT values, where Python has none of its own.

bool, int, float and str stand for themselves (an enum is its case's name, a char a str of length one), `bytes` for
`list<u8>`, list and tuple for the other lists and for tuples, a dict keyed by WIT field names for a record, a set of
names for flags, None for `none`. The record `component-id` is a `ComponentId`.
"""

from typing import Any

import msgspec


class Ok(msgspec.Struct, frozen=True):
    """The ok side of a `result`."""

    value: Any = None


class Err(msgspec.Struct, frozen=True):
    """The err side of a `result`.

    Where its type is a variant or an enum, `case` names the case; otherwise `payload` is the whole value.
    """

    case: str = "err"
    payload: Any = None


class Variant(msgspec.Struct, frozen=True):
    """One case of a variant, and what it carries."""

    case: str
    payload: Any = None


class Some(msgspec.Struct, frozen=True):
    """`some` of an option that lies directly in another option; elsewhere the bare value is enough."""

    value: Any

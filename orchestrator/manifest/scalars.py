"""The scalar rules of YAML 1.2's core schema: which plain text is null, a boolean, a number, and which is text.

Dates, `12:30:45`, `yes` and `on` are text; `0644` is the decimal 644, octal is `0o644`. Numbers that JSON cannot say
exactly (infinities, not-a-number, integers beyond 64 bits) are refused.
"""

import math
import re

from orchestrator.manifest.node import Scalar

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MIGHT_BE_NUMBER = frozenset("-+.0123456789")
_DIGITS_MAX = 20
_FLOAT_CHARACTERS_MAX = 64
INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1

LOOKS_BOOLEAN = frozenset(
    form for word in ("y", "n", "yes", "no", "on", "off") for form in (word, word.capitalize(), word.upper())
)
_TAG = "tag:yaml.org,2002:"


class BadScalarError(ValueError):
    """A scalar that has no value here; its text says why, without repeating the scalar."""


def resolve_plain(text: str) -> Scalar:
    """Return the value of an unquoted, untagged scalar.

    Raises:
        BadScalarError: a number that is not finite or does not fit 64 bits.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _MIGHT_BE_NUMBER:
        return text
    return _number(text)


def resolve_tagged(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with a core tag (`!!int`, `!!str` …); `!` means text.

    Raises:
        BadScalarError: the tag is not a core one, or the text is not of its type.
    """
    if tag in ("!", _TAG + "str"):
        return text
    expected = _TYPES.get(tag.removeprefix(_TAG)) if tag.startswith(_TAG) else None
    if expected is None:
        raise BadScalarError("only the core tags !!str, !!int, !!float, !!bool and !!null are allowed")
    value = resolve_plain(text)
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise BadScalarError(f"the value is not what its tag !!{tag.removeprefix(_TAG)} says")
    return value


_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}


def _number(text: str) -> Scalar:
    if _INT.fullmatch(text):
        return _integer(text, 10, len(text.lstrip("+-0")))
    if _OCTAL.fullmatch(text):
        return _integer(text[2:], 8, len(text) - 2)
    if _HEX.fullmatch(text):
        return _integer(text[2:], 16, len(text) - 2)
    if _NOT_FINITE.fullmatch(text):
        raise BadScalarError("numbers must be finite")
    return _float(text) if _FLOAT.fullmatch(text) else text


def _integer(digits: str, base: int, length: int) -> int:
    # Leading zeros do not count, but the conversion of a long run of them is quadratic all the same.
    if length > _DIGITS_MAX or len(digits) > _FLOAT_CHARACTERS_MAX:
        raise BadScalarError("the number does not fit 64 bits")
    value = int(digits, base)
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise BadScalarError("the number does not fit 64 bits")
    return value


def _float(text: str) -> float:
    if len(text) > _FLOAT_CHARACTERS_MAX:
        raise BadScalarError("the number has too many digits")
    value = float(text)
    if not math.isfinite(value):
        raise BadScalarError("numbers must be finite")
    return value

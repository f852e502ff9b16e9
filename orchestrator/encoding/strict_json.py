"""JSON text → values, without losing or guessing anything: what typed calls are given.

Integers keep every digit, a name that stands twice in an object is refused rather than dropped, and so are the numbers
JSON does not have. Whether a value fits a WIT type is not decided here.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

MAX_SHOWN = 60  # characters of something that is quoted back
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotJson(ValueError):
    """A text that is not JSON, or not JSON that says one thing; the message says why."""


def read_json(text: str | bytes) -> Any:
    """Read a JSON document.

    Raises:
        NotJson: it is none.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except UnicodeDecodeError as problem:
        raise NotJson(f"it is not UTF-8: {problem}") from None
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno} column {problem.colno}" if problem.lineno > 1 else f"column {problem.colno}"
        raise NotJson(f"{problem.msg} at {place}") from None
    except ValueError:  # an integer of thousands of digits, which Python does not read
        raise NotJson("it has a number that is too long") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"{shown(twice)} stands twice in one object")
    return found


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson(f'{text[:MAX_SHOWN]} is out of range; infinity is written "Infinity"')
    return number


def _constant(text: str) -> NoReturn:
    raise NotJson(f'{text} is no JSON; write it in quotes, "{text}"')


def shown(value: Any) -> str:
    """Return a JSON value as text to quote back: at most `MAX_SHOWN` characters, however large it is."""
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > MAX_SHOWN:
            return text[: MAX_SHOWN - 1] + "…"
    return text


def _pieces(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield from _joined("{", ((_atom(name) + ":", item) for name, item in value.items()), "}")
        case list():
            yield from _joined("[", (("", item) for item in value), "]")
        case _:
            yield _atom(value)


def _joined(begin: str, items: Iterable[tuple[str, Any]], end: str) -> Iterator[str]:
    yield begin
    for number, (name, item) in enumerate(items):
        yield ("," if number else "") + name
        yield from _pieces(item)
    yield end


def _atom(value: Any) -> str:
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    if isinstance(value, str):
        value = value[: MAX_SHOWN + 1]
        if _SURROGATE.search(value):
            return ascii(value)
    return json.dumps(value, ensure_ascii=not (isinstance(value, str) and value.isprintable()))

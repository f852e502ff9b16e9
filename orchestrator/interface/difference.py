"""How two types differ, and whether a value of one can still be taken for a value of the other. Pure.

Values travel as JSON (docs/guests.md says how each type looks), where names count and order does not; or between linked
components, where any difference at all is one too many. `changes` asks this for every parameter and result.
"""

from collections.abc import Iterator, Mapping

import msgspec

from orchestrator.interface.versions import versioned
from orchestrator.model.wit import (
    EnumOf,
    FlagsOf,
    HandleOf,
    ListOf,
    Opaque,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
    WitType,
)


class Difference(msgspec.Struct, frozen=True):
    """One difference between an old and a new type, at `place`, "" for the whole.

    `accepted`: the JSON of every old value is a new one. `understood`: readers of the old type can read all new values.
    """

    place: str
    text: str
    accepted: bool = False
    understood: bool = False


_Differences = Iterator[Difference]
_INTEGERS = {f"{sign}{bits}": (sign == "s", bits) for sign in "us" for bits in (8, 16, 32, 64)}
_BYTE = Scalar("u8")


def differences(old: WitType, new: WitType, place: str = "") -> _Differences:
    """Yield everything in which two types differ."""
    match old, new:
        case RecordOf(), RecordOf():
            yield from _records(old, new, place)
        case VariantOf(), VariantOf():
            yield from _cases(dict(old.cases), dict(new.cases), "case", place)
        case EnumOf(names), EnumOf(others):
            yield from _cases(dict.fromkeys(names), dict.fromkeys(others), "case", place)
        case FlagsOf(names), FlagsOf(others):
            yield from _cases(dict.fromkeys(names), dict.fromkeys(others), "flag", place)
        case TupleOf(), TupleOf() if len(old.elements) == len(new.elements):
            for number, (one, other) in enumerate(zip(old.elements, new.elements, strict=True)):
                yield from differences(one, other, _within(place, f"element {number}"))
        case ListOf(), ListOf():
            yield from _lists(old, new, place)
        case ResultOf(), ResultOf():
            yield from payloads(old.ok, new.ok, _within(place, "ok"))
            yield from payloads(old.err, new.err, _within(place, "err"))
        case _:
            yield from _small(old, new, place)


def payloads(old: WitType | None, new: WitType | None, place: str) -> _Differences:
    """Yield how what is carried differs, where either may carry nothing."""
    if old is not None and new is not None:
        yield from differences(old, new, place)
    elif new is not None:
        yield Difference(place, f"carries {new} now")
    elif old is not None:
        yield Difference(place, f"no longer carries {old}")


def resource_track(resource: str) -> str:
    """Return a resource's full name with as much of its interface's version as has to agree."""
    interface, _, name = resource.rpartition("#")
    return f"{versioned(interface).track}#{name}"


def _within(place: str, part: str) -> str:
    return f"{place}, {part}" if place else part


def _other(old: WitType, new: WitType, place: str, *, accepted: bool = False, understood: bool = False) -> Difference:
    return Difference(place, f"{old} → {new}", accepted, understood)


def _small(old: WitType, new: WitType, place: str) -> _Differences:
    match old, new:
        case OptionOf(one), OptionOf(other) if _nests(one) == _nests(other):
            yield from differences(one, other, place)
        case _, OptionOf(payload) if not isinstance(old, OptionOf):
            yield Difference(place, "optional now", accepted=not _nests(payload))
            yield from differences(old, payload, place)
        case OptionOf(payload), _ if not isinstance(new, OptionOf):
            yield Difference(place, "no longer optional", understood=not _nests(payload))
            yield from differences(payload, new, place)
        case Scalar(), Scalar() if old != new:
            yield _other(old, new, place, accepted=_fits(old, new), understood=_fits(new, old))
        case HandleOf(), HandleOf() if _is_same_handle(old, new):
            return
        case (Scalar(), Scalar()) | (Opaque(), Opaque()) if old == new:
            return
        case _:
            yield _other(old, new, place)


def _is_same_handle(old: HandleOf, new: HandleOf) -> bool:
    return old.is_borrowed == new.is_borrowed and resource_track(old.resource) == resource_track(new.resource)


def _nests(payload: WitType) -> bool:
    return isinstance(payload, OptionOf)  # an option in an option is written {"some": …}


def _fits(small: Scalar, large: Scalar) -> bool:
    """Decide whether every value of one scalar, as JSON, is one of another."""
    if (small.name, large.name) in (("f32", "f64"), ("char", "string")):
        return True
    if small.name not in _INTEGERS or large.name not in _INTEGERS:
        return False
    (signed, bits), (may_be_signed, room) = _INTEGERS[small.name], _INTEGERS[large.name]
    return bits <= room if signed == may_be_signed else may_be_signed and bits < room


def _records(old: RecordOf, new: RecordOf, place: str) -> _Differences:
    before, after = dict(old.fields), dict(new.fields)
    for name, kind in before.items():
        if name in after:
            yield from differences(kind, after[name], _within(place, f"field {name}"))
        else:
            yield Difference(place, f"field {name} removed")
    for name, kind in after.items():
        if name not in before:
            optional = isinstance(kind, OptionOf)
            text = f"field {name}: {kind} added" + ("" if optional else ", which callers have to give")
            yield Difference(place, text, accepted=optional, understood=True)
    yield from _order(before, after, "fields", place)


def _cases(
    before: Mapping[str, WitType | None], after: Mapping[str, WitType | None], what: str, place: str
) -> _Differences:
    for name, payload in before.items():
        if name in after:
            yield from payloads(payload, after[name], _within(place, f"{what} {name}"))
        else:
            yield Difference(place, f"{what} {name} removed", understood=True)
    for name in after:
        if name not in before:
            yield Difference(place, f"{what} {name} added", accepted=True)
    yield from _order(before, after, f"{what}s", place)


def _order(before: Mapping[str, object], after: Mapping[str, object], what: str, place: str) -> _Differences:
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield Difference(place, f"{what} in another order", accepted=True, understood=True)


def _lists(old: ListOf, new: ListOf, place: str) -> _Differences:
    if (old.element == _BYTE) and (new.element != _BYTE):  # bytes may have been sent as base64
        yield _other(old, new, place)
    else:
        yield from differences(old.element, new.element, _within(place, "each element"))

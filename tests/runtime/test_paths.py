"""The paths that calls take: the same for every type and value, and which of them runs and why."""

import ctypes
import re
import struct
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.calls import Calls
from orchestrator.model.message import Returned
from orchestrator.model.wit import (
    EnumOf,
    FlagsOf,
    ListOf,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
    WitType,
)
from orchestrator.runtime import Err, HostImport, Ok, Runtime, Some, Variant, chosen, trial
from orchestrator.runtime.engine import capi, crossing
from orchestrator.runtime.engine.crossing import extension
from orchestrator.runtime.engine.path import Path
from tests.runtime.guests import FAULTY, LIBC, MIB, message, start, told, wasm

INTEGERS = {
    f"{sign}{bits}": (low, low + (1 << bits) - 1)
    for bits in (8, 16, 32, 64)
    for sign, low in (("u", 0), ("s", -(1 << (bits - 1))))
}
NAMES = ("a", "is-ok", "some", "none", "ok", "err", "val", "kind", "of", "a-very-long-name-of-a-field-or-a-case")
TEXT = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\0\U0001f980\U0010ffff")))


def names(least: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(NAMES), min_size=least, max_size=5, unique=True).map(tuple)


def compound(inner: st.SearchStrategy[WitType]) -> st.SearchStrategy[WitType]:
    """Types made of others."""
    perhaps = st.none() | inner
    fields = st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=4)
    cases = st.dictionaries(st.sampled_from(NAMES), perhaps, min_size=1, max_size=4)
    return st.one_of(
        inner.map(ListOf),
        inner.map(OptionOf),
        inner.map(OptionOf).map(OptionOf),
        st.builds(ResultOf, perhaps, perhaps),
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: TupleOf(tuple(parts))),
        fields.map(lambda fields: RecordOf(tuple(fields.items()))),
        cases.map(lambda cases: VariantOf(tuple(cases.items()))),
    )


SIMPLE = st.one_of(
    st.sampled_from(["bool", "f32", "f64", "char", "string", *INTEGERS]).map(Scalar),
    st.just(ListOf(Scalar("u8"))),
    names(1).map(EnumOf),
    names(1).map(FlagsOf),
    st.just(FlagsOf(tuple(f"f{n}" for n in range(32)))),
)
TYPES = st.recursive(SIMPLE, compound, max_leaves=8)


def json_of(kind: WitType | None) -> st.SearchStrategy[Any]:
    """JSON that fits a type."""
    match kind:
        case None:
            return st.none()
        case Scalar("bool"):
            return st.booleans()
        case Scalar("f32" | "f64" as name):
            special = st.sampled_from(["NaN", "Infinity", "-Infinity", -0.0])
            return special | st.floats(width=int(name[1:]), allow_nan=False, allow_infinity=False)
        case Scalar("char"):
            return TEXT.filter(bool).map(lambda text: text[0])
        case Scalar("string"):
            return TEXT
        case Scalar(name):
            return st.sampled_from(INTEGERS[name]) | st.integers(*INTEGERS[name])
        case ListOf(element):
            return st.lists(json_of(element), max_size=4)
        case OptionOf(payload):
            inner = json_of(payload)
            return st.none() | (st.fixed_dictionaries({"some": inner}) if isinstance(payload, OptionOf) else inner)
        case TupleOf(elements):
            return st.tuples(*map(json_of, elements)).map(list)
        case RecordOf(fields):
            return st.fixed_dictionaries({name: json_of(field) for name, field in fields})
        case ResultOf(ok, err):
            return one_case({"ok": json_of(ok), "err": json_of(err)})
        case VariantOf(cases):
            bare = [st.just(name) for name, payload in cases if payload is None]
            return st.one_of(*bare, one_case({name: json_of(payload) for name, payload in cases if payload}))
        case EnumOf(names):
            return st.sampled_from(names)
        case FlagsOf(names):
            return st.lists(st.sampled_from(names), unique=True)
    raise AssertionError(kind)


def one_case(cases: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.one_of(*(st.fixed_dictionaries({name: value}) for name, value in cases.items()))


def plain(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Plain values made of others, of whatever type."""
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        st.builds(Ok, inner),
        st.builds(Err, st.sampled_from(NAMES), inner),
        st.builds(Variant, st.sampled_from(NAMES), inner),
        inner.map(Some),
    )


ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(1 << 65), 1 << 65), st.floats(), st.text(max_size=3), st.binary(),
        st.sampled_from(NAMES), st.frozensets(st.sampled_from(NAMES)),
    ),
    plain,
    max_leaves=5,
)  # fmt: skip


def named(kind: WitType | None, into: dict[WitType, str]) -> str:
    """Write a type as text; those that need a name are put `into` what has to be defined first."""
    match kind:
        case ListOf(element):
            return f"(list {named(element, into)})"
        case OptionOf(payload):
            return f"(option {named(payload, into)})"
        case TupleOf(elements):
            return f"(tuple {' '.join(named(element, into) for element in elements)})"
        case ResultOf(ok, err):
            error = "" if err is None else f"(error {named(err, into)})"
            return f"(result {'' if ok is None else named(ok, into)} {error})"
        case RecordOf(fields):
            text = _list("record", [f'(field "{name}" {named(field, into)})' for name, field in fields])
        case VariantOf(cases):
            text = _list("variant", [f'(case "{n}" {named(case, into) if case else ""})' for n, case in cases])
        case EnumOf(names) | FlagsOf(names):
            text = _list("enum" if isinstance(kind, EnumOf) else "flags", [f'"{name}"' for name in names])
        case _:
            return str(kind)
    into.setdefault(kind, text)
    return f"$n{[*into].index(kind)}"


def _list(word: str, parts: list[str]) -> str:
    return f"({word} {' '.join(parts)})"


def component(kind: WitType) -> bytes:
    """A component whose `echo` returns the list that it is given, and `ask` what the host makes of that."""
    types: dict[WitType, str] = {}
    word = named(kind, types)
    defined = [(n, f"(type $t{n} {text})") for n, text in enumerate(types.values())]
    canon = '(memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))'
    return wasm(f"""
(component
  (import "test:host/echo" (instance $host
    {" ".join(f'{text} (export "n{n}" (type $n{n} (eq $t{n})))' for n, text in defined)}
    (export "ask" (func (param "v" (list {word})) (result (list {word}))))))
  {LIBC}
  (core func $asked (canon lower (func $host "ask") {canon}))
  (core module $m
    (import "libc" "memory" (memory 1))
    (import "host" "ask" (func $asked (param i32 i32 i32)))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0))
    (func (export "ask") (param i32 i32) (result i32)
      (call $asked (local.get 0) (local.get 1) (i32.const 0))
      (i32.const 0)))
  (core instance $i (instantiate $m
    (with "libc" (instance $libc)) (with "host" (instance (export "ask" (func $asked))))))
  {" ".join(f'{text} (export $n{n} "n{n}" (type $t{n}))' for n, text in defined)}
  (type $f (func (param "v" (list {word})) (result (list {word}))))
  (func (export "echo") (type $f) (canon lift (core func $i "echo") {canon}))
  (func (export "ask") (type $f) (canon lift (core func $i "ask") {canon})))
""")


class Way:
    """One way of calling, and a host function that keeps what it is asked and returns that, or else `answer`."""

    def __init__(self, calls: Calls) -> None:
        self.seen: list[Any] = []
        self.answer: Any = None
        self.runtime = Runtime(None, [HostImport("test:host/echo", "ask", self._ask)], calls=calls)

    def _ask(self, _context: object, values: Any) -> Any:
        self.seen.append(values)
        return values if self.answer is None else self.answer

    def happens(self, data: bytes, values: list[Any], answer: Any = None) -> list[Any]:
        """Give `values` to both functions; returns everything that can be told of it."""
        guest = start(self.runtime, data, memory=64 * MIB)
        self.seen, self.answer = [], answer
        told = []
        for function in ("echo", "ask"):
            told += [guest.call(function, [values]), guest.fuel_used]
        return [*told, exactly(self.seen)]

    def plain(self, data: bytes, values: list[Any]) -> Any:
        """Return the plain values that a host function gets for `values`."""
        self.happens(data, values)
        return self.seen[0]


def damaged(value: Any, draw: Any) -> Any:
    """Put something else in one place of a plain value, or leave a field out."""
    if draw(st.booleans()):
        return draw(ANYTHING)
    match value:
        case [*items] if items:
            place = draw(st.integers(0, len(items) - 1))
            items[place] = damaged(items[place], draw)
            return type(value)(items)
        case dict() if value:
            name = draw(st.sampled_from([*value]))
            rest = {each: field for each, field in value.items() if each != name}
            return rest if draw(st.booleans()) else rest | {name: damaged(value[name], draw)}
        case Some(inner) | Ok(inner):
            return type(value)(damaged(inner, draw))
        case Err(case, payload) | Variant(case, payload):
            return type(value)(case, damaged(payload, draw))
        case _:
            return draw(ANYTHING)


def exactly(value: Any) -> Any:
    """Return a value in which only what is the same to the bit is equal."""
    match value:
        case float():
            return struct.pack("d", value)
        case frozenset():
            return sorted(value)
        case list() | tuple():
            return type(value), [exactly(item) for item in value]
        case dict():
            return [(name, exactly(field)) for name, field in value.items()]
        case Some(inner) | Ok(inner):
            return type(value), exactly(inner)
        case Err(case, payload) | Variant(case, payload):
            return type(value), case, exactly(payload)
        case _:
            return type(value), value


@pytest.fixture(scope="module")
def ways() -> Iterator[tuple[Way, ...]]:
    ways = tuple(map(Way, Calls))
    yield ways
    for way in ways:
        way.runtime.close()


def sayable(told: list[Any]) -> str:
    """Return what was told without the place in our code that a bug of a host function is found at."""
    return re.sub(r" at /\S+\.py:\d+", "", repr(told))


@settings(max_examples=100)
@given(st.data())
def test_every_value_of_every_type_goes_and_comes_the_same_on_both_ways(ways, data):
    kind = data.draw(TYPES)
    values = data.draw(st.lists(json_of(kind), max_size=5))
    guest = component(kind)
    native, fast, stock = (way.happens(guest, values) for way in ways)
    assert isinstance(fast[0], Returned)
    assert isinstance(fast[2], Returned)
    assert sayable(native) == sayable(fast) == sayable(stock)


@settings(max_examples=100)
@given(st.data())
def test_whatever_a_host_function_returns_both_ways_say_the_same_of_it(ways, data):
    kind = data.draw(TYPES)
    guest = component(kind)
    fitting = ways[0].plain(guest, data.draw(st.lists(json_of(kind), min_size=1, max_size=3)))
    answer = damaged(fitting, data.draw)
    native, fast, stock = (way.happens(guest, [], answer) for way in ways)
    assert sayable(native) == sayable(fast) == sayable(stock)


def test_with_values_laid_out_otherwise_the_stock_path_runs_and_says_so(monkeypatch):
    monkeypatch.setattr(capi, "LAYOUT", (40, *capi.LAYOUT[1:]))
    assert chosen().calls is Calls.STOCK
    assert "lays component values out as (32, 8, " in chosen().why
    assert trial(Calls.FAST) == ""
    assert Runtime(None).path == chosen()


def test_without_a_function_of_the_fast_path_the_stock_one_runs_and_says_so(monkeypatch):
    monkeypatch.setattr(capi, "_unlike", {"wasmtime_component_func_call_async"})
    assert chosen().calls is Calls.STOCK
    assert chosen().why.endswith("lacks or declares otherwise wasmtime_component_func_call_async")
    assert trial(Calls.FAST) == ""


@pytest.fixture
def unbound() -> Iterator[None]:
    """Have the extension looked for anew, then and afterwards."""
    extension.cache_clear()
    yield
    extension.cache_clear()


@pytest.mark.usefixtures("unbound")
def test_without_the_extension_the_fast_path_runs_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "orchestrator.runtime.engine._crossing", None)
    assert chosen().calls is Calls.FAST
    assert chosen().why.startswith("the extension is not built: ")
    assert trial(Calls.NATIVE) == ""


@pytest.mark.usefixtures("unbound")
def test_an_extension_that_was_built_of_other_sources_is_not_used(monkeypatch):
    older = SimpleNamespace(VERSION=crossing.VERSION - 1)
    monkeypatch.setitem(sys.modules, "orchestrator.runtime.engine._crossing", older)
    assert chosen() == Path(Calls.FAST, f"the extension is of version {older.VERSION}, expected {crossing.VERSION}")


def test_without_a_function_that_both_need_nothing_runs(monkeypatch):
    monkeypatch.setattr(capi, "_unlike", {"wasmtime_context_set_fuel"})
    assert "wasmtime_context_set_fuel; install the wasmtime that airs pins" in trial(Calls.FAST)
    assert "wasmtime_context_set_fuel; install the wasmtime that airs pins" in trial(Calls.STOCK)


def test_where_no_limit_could_be_held_nothing_runs(monkeypatch):
    monkeypatch.setattr(capi, "_MEMORY_CALLBACKS", (8, 3, 2))
    assert "no limit could be held" in trial(Calls.STOCK)


def test_the_stock_path_calls_nothing_by_a_declaration_of_ours_that_is_not_looked_at_first(monkeypatch):
    def forbidden(*_anything: object) -> None:
        raise AssertionError("this belongs to the fast path")

    for name, function in vars(capi).copy().items():
        if isinstance(function, ctypes._CFuncPtr) and function.__name__ not in capi.BOTH:
            monkeypatch.setattr(capi, name, forbidden)
    values: dict[str, bytes] = {}
    guest = start(Runtime(None, told(values=values), calls=Calls.STOCK), FAULTY.read_bytes())
    guest.handle(message("store key value"))
    assert values == {"key": b"value"}
    guest.close()

"""Every kind of change as a row: what each says, and whose calls it breaks."""

import pytest

from orchestrator.interface.changes import BOTH, LINKED, Caller, Comparison, compare
from orchestrator.model.wit import (
    EnumOf,
    FlagsOf,
    FunctionType,
    HandleOf,
    ListOf,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
    WitType,
)
from orchestrator.model.world import LIFECYCLE, Drive, Interface, World, WorldTypes
from tests.interface.worlds import importing, world_of

U8, U32, U64, S32, STRING, CHAR = (Scalar(name) for name in ("u8", "u32", "u64", "s32", "string", "char"))
F32, F64, BOOL = Scalar("f32"), Scalar("f64"), Scalar("bool")
NAME = "a:b/c@1.0.0"
NONE: tuple[Caller, ...] = ()


def function(*params: tuple[str, WitType], result: WitType | None = None, is_async: bool = False) -> FunctionType:
    return FunctionType(params, result, is_async)


def record(**fields: WitType) -> RecordOf:
    return RecordOf(tuple(fields.items()))


def variant(**cases: WitType | None) -> VariantOf:
    return VariantOf(tuple(cases.items()))


def exporting(*interfaces: Interface, drives: frozenset[Drive] = frozenset({Drive.CALLABLE})) -> World:
    return World(imports=(), exports=(), drives=drives, types=WorldTypes(exports=interfaces))


def holding(kind: FunctionType, name: str = NAME) -> World:
    return exporting(Interface(name=name, functions=(("f", kind),)))


def said(comparison: Comparison) -> str:
    return "\n".join(
        f"{change.side.value} {change.what} {change.name} {change.kind.value}: {consequence.text}"
        for change in comparison.changes
        for consequence in change.consequences
    )


# what a caller gives: old type, new type, what is said, whose calls break
GIVEN = [
    (U8, U32, "u8 → u32", LINKED),
    (U32, U8, "u32 → u8", BOTH),
    (U8, S32, "u8 → s32", LINKED),
    (U32, S32, "u32 → s32", BOTH),
    (S32, U64, "s32 → u64", BOTH),
    (F32, F64, "f32 → f64", LINKED),
    (F64, F32, "f64 → f32", BOTH),
    (U32, F64, "u32 → f64", BOTH),
    (CHAR, STRING, "char → string", LINKED),
    (STRING, CHAR, "string → char", BOTH),
    (BOOL, U8, "bool → u8", BOTH),
    (U8, OptionOf(U8), "optional now", LINKED),
    (OptionOf(U8), U8, "no longer optional", BOTH),
    (OptionOf(U8), OptionOf(OptionOf(U8)), "", BOTH),
    (U8, OptionOf(OptionOf(U8)), "optional now", BOTH),
    (OptionOf(U8), OptionOf(U32), "u8 → u32", LINKED),
    (record(a=U8), record(a=U8, b=U8), "field b: u8 added, which callers have to give", BOTH),
    (record(a=U8), record(a=U8, b=OptionOf(U8)), "field b: option<u8> added", LINKED),
    (record(a=U8, b=U8), record(a=U8), "field b removed", BOTH),
    (record(a=U8, b=U8), record(b=U8, a=U8), "fields in another order", LINKED),
    (record(a=U8), record(a=STRING), "field a: u8 → string", BOTH),
    (record(a=record(b=U8)), record(a=record(b=U32)), "field a, field b: u8 → u32", LINKED),
    (variant(a=None), variant(a=None, b=None), "case b added", LINKED),
    (variant(a=None, b=None), variant(a=None), "case b removed", BOTH),
    (variant(a=None), variant(a=U8), "case a: carries u8 now", BOTH),
    (variant(a=U8), variant(a=None), "case a: no longer carries u8", BOTH),
    (variant(a=U8), variant(a=U32), "case a: u8 → u32", LINKED),
    (variant(a=None, b=None), variant(b=None, a=None), "cases in another order", LINKED),
    (EnumOf(("a",)), EnumOf(("a", "b")), "case b added", LINKED),
    (EnumOf(("a", "b")), EnumOf(("a",)), "case b removed", BOTH),
    (EnumOf(("a", "b")), EnumOf(("b", "a")), "cases in another order", LINKED),
    (FlagsOf(("a",)), FlagsOf(("a", "b")), "flag b added", LINKED),
    (FlagsOf(("a", "b")), FlagsOf(("b",)), "flag a removed", BOTH),
    (TupleOf((U8,)), TupleOf((U32,)), "element 0: u8 → u32", LINKED),
    (TupleOf((U8,)), TupleOf((U8, U8)), "tuple<u8> → tuple<u8, u8>", BOTH),
    (ListOf(U32), ListOf(U64), "each element: u32 → u64", LINKED),
    (ListOf(U8), ListOf(U32), "list<u8> → list<u32>", BOTH),
    (ListOf(U32), ListOf(U8), "each element: u32 → u8", BOTH),
    (ResultOf(U8, None), ResultOf(U32, None), "ok: u8 → u32", LINKED),
    (ResultOf(None, U8), ResultOf(None, None), "err: no longer carries u8", BOTH),
    (record(a=U8), TupleOf((U8,)), "record{a: u8} → tuple<u8>", BOTH),
    (HandleOf("x:y/z@1.0.0#r", False), HandleOf("x:y/z@1.0.0#r", True), "own<r> → borrow<r>", BOTH),
    (HandleOf("x:y/z@1.0.0#r", False), HandleOf("x:y/other#r", False), "own<r> → own<r>", BOTH),
]


@pytest.mark.parametrize(("old", "new", "text", "breaks"), GIVEN)
def test_what_a_caller_gives(old, new, text, breaks):
    comparison = compare(holding(function(("p", old))), holding(function(("p", new))))
    assert comparison.breaks == breaks
    assert "parameter p" in said(comparison)
    assert text in said(comparison)


# what a caller gets: old type, new type, what is said, whose calls break
GOT = [
    (U32, U8, "u32 → u8", LINKED),
    (U8, U32, "u8 → u32", BOTH),
    (STRING, CHAR, "string → char", LINKED),
    (U8, OptionOf(U8), "optional now", BOTH),
    (OptionOf(U8), U8, "no longer optional", LINKED),
    (record(a=U8), record(a=U8, b=U8), "field b: u8 added", LINKED),
    (record(a=U8, b=OptionOf(U8)), record(a=U8), "field b removed", BOTH),
    (variant(a=None), variant(a=None, b=None), "case b added", BOTH),
    (variant(a=None, b=None), variant(a=None), "case b removed", LINKED),
    (EnumOf(("a", "b")), EnumOf(("a",)), "case b removed", LINKED),
    (FlagsOf(("a",)), FlagsOf(("a", "b")), "flag b added", BOTH),
    (U8, ResultOf(U8, STRING), "it may return an error now", LINKED),
    (ResultOf(U8, STRING), U8, "it no longer returns an error", LINKED),
    (ResultOf(U8, STRING), ResultOf(STRING, STRING), "result: u8 → string", BOTH),
    (ResultOf(U8, EnumOf(("a",))), ResultOf(U8, EnumOf(("a", "b"))), "error: case b added", BOTH),
    (ResultOf(U8, None), ResultOf(U8, STRING), "its error carries string now", LINKED),
    (ResultOf(U8, STRING), ResultOf(U8, None), "error: no longer carries string", BOTH),
    (None, U8, "it returns u8 now", LINKED),
    (U8, None, "result: no longer carries u8", BOTH),
]


@pytest.mark.parametrize(("old", "new", "text", "breaks"), GOT)
def test_what_a_caller_gets(old, new, text, breaks):
    comparison = compare(holding(function(result=old)), holding(function(result=new)))
    assert comparison.breaks == breaks
    assert text in said(comparison)


A, B = ("a", U8), ("b", U8)
PARAMETERS = [
    ((A,), (A, B), "parameter b: u8 added", BOTH),
    ((A,), (A, ("b", OptionOf(U8))), "parameter b: option<u8> added", BOTH),
    ((A, B), (A,), "parameter b: u8 removed", BOTH),
    ((A,), (B,), "parameter a is called b now", LINKED),
    ((A,), (("b", STRING),), "parameter b: u8 → string", BOTH),
    ((A, B), (B, A), "parameters in another order", BOTH),
]


@pytest.mark.parametrize(("old", "new", "text", "breaks"), PARAMETERS)
def test_parameters(old, new, text, breaks):
    comparison = compare(holding(function(*old)), holding(function(*new)))
    assert comparison.breaks == breaks
    assert text in said(comparison)


def offering(name: str = NAME, types=(), resources=(), functions=("f",)) -> Interface:
    return Interface(name=name, types=types, resources=resources, functions=tuple((f, function()) for f in functions))


R = (("r", f"{NAME}#r"),)
METHODS = ("[constructor]r", "[method]r.get")
PARTS = [
    (offering(functions=("f",)), offering(functions=("f", "g")), "", NONE),
    (
        offering(functions=("f", "g")),
        offering(functions=("f",)),
        f"function {NAME}#g removed: nobody can call it",
        BOTH,
    ),
    (offering(), offering(types=(("t", U8),)), "", NONE),
    (offering(types=(("t", U8),)), offering(), f"type {NAME}#t removed: linked components ask for it by name", LINKED),
    (offering(types=(("t", U8),)), offering(types=(("t", U32),)), f"type {NAME}#t changed: u8 → u32", LINKED),
    (offering(), offering(resources=R, functions=("f", *METHODS)), "", NONE),
    (offering(resources=R), offering(), f"resource {NAME}#r removed: nobody can call it", BOTH),
    (offering(resources=R), offering(resources=(("r", "x:y/z#q"),)), "which is another resource than", LINKED),
    (
        offering(resources=R, functions=METHODS),
        offering(resources=R, functions=METHODS[:1]),
        "[method]r.get removed",
        BOTH,
    ),
    (offering("a:b/c@1.0.0"), offering("a:b/c@1.1.0"), "interface a:b/c changed: a later version", NONE),
    (offering("a:b/c@1.1.0"), offering("a:b/c@1.0.0"), "interface a:b/c changed: an earlier version", BOTH),
    (offering("a:b/c@0.1.0"), offering("a:b/c@0.1.9"), "a later version", NONE),
    (offering("a:b/c@1.0.0"), offering("a:b/c@2.0.0"), "do not find a:b/c@2.0.0, which is of another track", BOTH),
    (offering("a:b/c@0.1.0"), offering("a:b/c@0.2.0"), "do not find a:b/c@0.2.0", BOTH),
    (offering("a:b/c"), offering("a:b/c@1.0.0"), "do not find a:b/c@1.0.0", BOTH),
    (offering("a:b/c"), offering("a:b/d"), "interface a:b/c removed: nobody can call it", BOTH),
    (offering(""), offering("", functions=("f", "g")), "", NONE),
    (offering("", functions=("f", "g")), offering(""), "function g removed: nobody can call it", BOTH),
]


@pytest.mark.parametrize(("old", "new", "text", "breaks"), PARTS)
def test_what_an_interface_holds(old, new, text, breaks):
    comparison = compare(exporting(old), exporting(new))
    assert comparison.changes
    assert comparison.breaks == breaks
    assert comparison.compatible is not breaks or breaks == NONE
    assert text in said(comparison)


def test_of_two_versions_of_an_interface_each_is_compared_with_its_own():
    both = [offering("a:b/c@1.0.0"), offering("a:b/c@2.0.0", functions=("g",))]
    assert compare(exporting(*both), exporting(*both)).changes == ()
    assert compare(exporting(both[0]), exporting(*both)).compatible


def test_a_function_that_becomes_async_is_another_one_to_who_is_linked():
    comparison = compare(holding(function()), holding(function(is_async=True)))
    assert comparison.breaks == LINKED


def test_a_handle_of_a_later_version_of_its_interface_is_the_same():
    old, new = (HandleOf(f"a:b/c@1.{minor}.0#r", True) for minor in (0, 1))
    comparison = compare(holding(function(("r", old)), "a:b/c@1.0.0"), holding(function(("r", new)), "a:b/c@1.1.0"))
    assert comparison.compatible


def test_a_new_function_called_like_an_old_one_makes_the_short_name_ambiguous():
    comparison = compare(exporting(offering()), exporting(offering(), offering("a:b/d")))
    assert comparison.compatible
    assert "f alone may mean another function too" in said(comparison)


def test_nothing_changed_is_compatible_and_empty():
    world = holding(function(("a", record(b=ListOf(U8))), result=ResultOf(None, STRING)))
    assert compare(world, world) == Comparison(compatible=True, breaks=(), changes=())


DRIVES = [
    ({Drive.ACTOR}, {Drive.CALLABLE}, "it takes no messages any more", (Caller.AIRS,)),
    ({Drive.JOB}, set(), "it is no job any more", (Caller.AIRS,)),
    ({Drive.CALLABLE}, {Drive.CALLABLE, Drive.ACTOR}, "", NONE),
]


@pytest.mark.parametrize(("old", "new", "text", "breaks"), DRIVES)
def test_how_it_is_driven(old, new, text, breaks):
    comparison = compare(exporting(drives=frozenset(old)), exporting(drives=frozenset(new)))
    assert comparison.breaks == breaks
    assert text in said(comparison)


def test_what_the_host_calls_is_no_callers_business():
    old = offering(LIFECYCLE, functions=("initialize", "handle-callback"))
    new = offering(LIFECYCLE, functions=("initialize",))
    assert compare(exporting(old), exporting(new)).changes == ()


STORAGE = "airssys:core/storage@1.0.0"
GET = '(export "exists" (func (param "key" string)))'
SET = '(export "set" (func (param "key" string) (param "value" (list u8))))'
IMPORTS = [
    ("", f'(import "{STORAGE}" (instance {GET}))', f"{STORAGE} added: needs the grant storage.read"),
    (
        f'(import "{STORAGE}" (instance {GET}))',
        f'(import "{STORAGE}" (instance {GET} {SET}))',
        f"{STORAGE} changed: needs the grant storage.write",
    ),
    ("", '(import "foo:bar/baz" (instance (export "f" (func))))', "added: nothing here provides it"),
    ("", '(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64)))))', "as WASI 0.2"),
    ("", '(import "wasi:sockets/tcp@0.2.0" (instance (export "x" (func))))', "needs the grant network.connect"),
    (
        '(import "foo:bar/baz" (instance (export "f" (func))))',
        '(import "foo:bar/baz" (instance (export "f" (func (param "a" u8)))))',
        "import function foo:bar/baz#f changed",
    ),
]


@pytest.mark.parametrize(("old", "new", "text"), IMPORTS)
def test_what_is_asked_of_the_host_breaks_no_caller(old, new, text):
    comparison = compare(importing(old), importing(new))
    assert comparison.compatible
    assert text in said(comparison)
    assert compare(importing(new), importing(old)).changes


def test_two_real_components_are_compared():
    text = """
    (component (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
      (core instance $i (instantiate $m))
      (func $f (param "n" {}) (result {}) (canon lift (core func $i "f")))
      (instance $n (export "twice" (func $f)))
      (export "my:math/ops@1.{}.0" (instance $n)))
    """
    old = world_of(text.format("u8", "u32", 0))
    new = world_of(text.format("u16", "u16", 1))
    comparison = compare(old, new)
    assert comparison.breaks == LINKED
    assert "my:math/ops@1.1.0#twice changed: parameter n: u8 → u16" in said(comparison)
    assert "my:math/ops@1.1.0#twice changed: result: u32 → u16" in said(comparison)

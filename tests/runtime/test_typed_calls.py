import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.encoding.strict_json import read_json
from orchestrator.interface.json_values import MAX_PROBLEMS
from orchestrator.interface.typed import MAX_LISTED, MAX_USAGE
from orchestrator.model.message import BadCall, Refused, Returned
from orchestrator.model.world import ArtifactFault
from orchestrator.runtime import Runtime
from tests.runtime.guests import ROOT, TRAPS, echoing, start, wasm

CALCULATOR = (ROOT / "examples/03-calculator/components/calculator-1.0.0/calculator.wasm").read_bytes()
OPERATIONS = "example:calculator/operations@1.0.0"

POINT = '(type $p (record (field "x" s32) (field "label" (option string)))) (export $point "point" (type $p))'
SHAPE = '(type $s (variant (case "dot") (case "circle" f64) (case "named" string))) (export $shape "shape" (type $s))'
COLOUR = '(type $c (enum "red" "green")) (export $colour "colour" (type $c))'
RIGHTS = '(type $r (flags "read" "write" "run")) (export $rights "rights" (type $r))'

ROUND_TRIPS = [
    ("bool", "", [True, False]),
    ("u8", "", [0, 255]),
    ("s8", "", [-128, 127]),
    ("u16", "", [0, 65535]),
    ("s16", "", [-32768, 32767]),
    ("u32", "", [0, 4294967295]),
    ("s32", "", [-2147483648, 2147483647]),
    ("u64", "", [0, (1 << 64) - 1]),
    ("s64", "", [-(1 << 63), (1 << 63) - 1]),
    ("f32", "", [0.0, -1.5, "NaN", "Infinity", "-Infinity"]),
    ("f64", "", [0.1, -1e308, "NaN", "Infinity", "-Infinity"]),
    ("char", "", ["a", "ß", "\U0001f980"]),
    ("string", "", ["", "text", "grüße\x00"]),
    ("(list u16)", "", [[], [1, 2, 3]]),
    ("(list u8)", "", [[], [0, 255]]),
    ("(tuple u8 string)", "", [[1, "a"]]),
    ("(option u32)", "", [None, 7]),
    ("(option (option u32))", "", [None, {"some": None}, {"some": 7}]),
    ("(result u32 (error string))", "", [{"ok": 1}, {"err": "no"}]),
    ("(result)", "", [{"ok": None}, {"err": None}]),
    ("$point", POINT, [{"x": -1, "label": None}, {"x": 2, "label": "two"}]),
    ("$shape", SHAPE, ["dot", {"circle": 1.5}, {"named": "x"}]),
    ("$colour", COLOUR, ["red", "green"]),
    ("$rights", RIGHTS, [[], ["read", "run"], ["read", "write", "run"]]),
    ("(result $shape (error $colour))", SHAPE + COLOUR, [{"ok": "dot"}, {"err": "green"}]),
    (
        "(result (option string) (error $shape))",
        SHAPE,
        [{"ok": None}, {"ok": "x"}, {"err": "dot"}, {"err": {"circle": 2.0}}],
    ),
    ("(list (tuple (option $point) (list string)))", POINT, [[[{"x": 1, "label": "a"}, ["b", "c"]], [None, []]]]),
]


@pytest.mark.parametrize(("kind", "types", "values"), ROUND_TRIPS, ids=[kind for kind, _, _ in ROUND_TRIPS])
def test_a_value_of_every_type_comes_back_as_it_went(runtime, kind, types, values):
    guest = start(runtime, echoing(kind, types))
    assert guest.call("echo", [values]) == Returned(values)
    assert guest.call("echo", [values]) == Returned(values)


WRONG = [
    ("bool", "", 1, "args[0][0]: expected bool, got 1"),
    ("u8", "", 256, "args[0][0]: expected u8, got 256"),
    ("u32", "", -1, "args[0][0]: expected u32, got -1"),
    ("s64", "", 1 << 63, "args[0][0]: expected s64, got 9223372036854775808"),
    ("u32", "", 1.0, "args[0][0]: expected u32, got 1.0"),
    ("u32", "", True, "args[0][0]: expected u32, got true"),
    ("f32", "", 1e300, "args[0][0]: expected f32, got 1e300"),
    ("f64", "", "1", 'args[0][0]: expected f64, got "1"'),
    ("char", "", "ab", 'args[0][0]: expected char, got "ab"'),
    ("string", "", None, "args[0][0]: expected string, got null"),
    ("string", "", "\ud800", "args[0][0]: expected string, got '\\ud800'"),
    ("(list u16)", "", [1, "x"], 'args[0][0][1]: expected u16, got "x"'),
    ("(list u8)", "", "%%%", "args[0][0]: expected list<u8> as an array of numbers or as base64, got other text"),
    ("(tuple u8 string)", "", [1], "args[0][0]: expected tuple<u8, string>, got [1]"),
    ("(option (option u32))", "", 7, 'args[0][0]: expected null or {"some": …} for option<option<u32>>'),
    ("(result u32 (error string))", "", 3, "args[0][0]: expected result<u32, string>, got 3"),
    ("(result u32 (error string))", "", {"ok": "x"}, 'args[0][0].ok: expected u32, got "x"'),
    ("$point", POINT, {"x": "1"}, 'args[0][0].x: expected s32, got "1"'),
    ("$point", POINT, {"label": "a"}, "args[0][0]: field x is missing: s32"),
    ("$point", POINT, {"x": 1, "lable": "a"}, "args[0][0]: there is no field lable"),
    ("$shape", SHAPE, {"circle": "big"}, 'args[0][0].circle: expected f64, got "big"'),
    ("$shape", SHAPE, "circle", 'args[0][0]: circle carries f64: write {"circle": …}'),
    ("$shape", SHAPE, {"dot": 1}, "args[0][0].dot: this case carries nothing"),
    ("$colour", COLOUR, "blue", 'args[0][0]: expected enum{red, green}, got "blue"'),
    ("$rights", RIGHTS, ["fly"], 'args[0][0]: expected flags{read, write, run}, got ["fly"]'),
]


@pytest.mark.parametrize(("kind", "types", "value", "problem"), WRONG, ids=[f"{row[0]} {row[2]!r}" for row in WRONG])
def test_a_value_that_does_not_fit_is_named_with_its_path_and_no_guest_code_runs(runtime, kind, types, value, problem):
    guest = start(runtime, echoing(kind, types))
    answer = guest.call("echo", [[value]])
    assert isinstance(answer, BadCall)
    assert answer.problem == problem
    assert guest.fuel_used == 0 or isinstance(guest.call("echo", [[]]), Returned)


MORE_WRONG = [
    ("u64", "18446744073709551616", 'args[0][0]: expected u64, got "18446744073709551616"'),
    ("u64", "-1", 'args[0][0]: expected u64, got "-1"'),
    ("s64", "+1", 'args[0][0]: expected s64, got "+1"'),
    ("s64", " 1", 'args[0][0]: expected s64, got " 1"'),
    ("u32", "1", 'args[0][0]: expected u32, got "1"'),
    ("u64", 10**400, f"args[0][0]: expected u64, got 1{'0' * 58}…"),
    ("f64", 10**400, f"args[0][0]: expected f64, got 1{'0' * 58}…"),
    ("f64", "nan", 'args[0][0]: expected f64, got "nan"'),
    ("f32", True, "args[0][0]: expected f32, got true"),
    ("char", "", 'args[0][0]: expected char, got ""'),
    ("char", "\udfff", "args[0][0]: expected char, got '\\udfff'"),
    ("bool", "\x1b[2J", 'args[0][0]: expected bool, got "\\u001b[2J"'),
    ("bool", ["x" * 10_000] * 1_000, f'args[0][0]: expected bool, got ["{"x" * 57}…'),
    ("(list u8)", [True], "args[0][0][0]: expected u8, got true"),
    ("(list u8)", "AA\udfff=", "args[0][0]: expected list<u8> as an array of numbers or as base64, got other text"),
    ("(list u8)", "AAH", "args[0][0]: expected list<u8> as an array of numbers or as base64, got other text"),
    ("(option (option u32))", {"some": "x"}, 'args[0][0].some: expected u32, got "x"'),
    (
        "(option (option u32))",
        {"some": 1, "none": 1},
        'args[0][0]: expected null or {"some": …} for option<option<u32>>',
    ),
    ("(result u32 (error string))", "ok", 'args[0][0]: ok carries u32: write {"ok": …}'),
    ("(result (error string))", {"ok": 1}, "args[0][0].ok: it carries nothing"),
    ("(result u32)", {"fine": 1}, 'args[0][0]: expected result<u32>, got {"fine":1}'),
]


@pytest.mark.parametrize(
    ("kind", "value", "problem"), MORE_WRONG, ids=[f"{r[0]} {str(r[1])[:20]!a}" for r in MORE_WRONG]
)
def test_nothing_is_guessed_about_a_value_and_nothing_hostile_is_repeated(runtime, kind, value, problem):
    answer = start(runtime, echoing(kind)).call("echo", [[value]])
    assert isinstance(answer, BadCall)
    assert answer.problem == problem


def test_a_value_nested_as_deep_as_json_goes_is_refused_in_a_few_words(runtime):
    deep = read_json("[" * 900 + "]" * 900)
    answer = start(runtime, echoing("u8")).call("echo", [[deep]])
    assert answer.problem == f"args[0][0]: expected u8, got {'[' * 59}…"


def test_integers_of_64_bits_may_be_given_as_text_and_come_back_as_numbers(runtime):
    wide = start(runtime, echoing("u64"))
    assert wide.call("echo", [["18446744073709551615", "0"]]) == Returned([(1 << 64) - 1, 0])
    assert start(runtime, echoing("s64")).call("echo", [["-9223372036854775808"]]) == Returned([-(1 << 63)])


def test_every_problem_of_a_call_is_named_at_once(runtime):
    guest = start(runtime, echoing("$point", POINT))
    answer = guest.call("echo", [[{"x": "1", "lable": "a"}, 7, {"label": None}]])
    assert answer == BadCall(
        "some arguments do not fit",
        f"echo is {guest_kind('list<record{x: s32, label: option<string>}>')}",
        "args[0][0]: there is no field lable\n"
        'args[0][0].x: expected s32, got "1"\n'
        "args[0][1]: expected record{x: s32, label: option<string>}, got 7\n"
        "args[0][2]: field x is missing: s32",
    )


def guest_kind(kind):
    return f"func(v: {kind}) -> {kind}"


def test_only_so_many_problems_are_named(runtime):
    answer = start(runtime, echoing("u8")).call("echo", [["x"] * 100_000])
    lines = answer.detail.splitlines()
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[-1] == "and perhaps more"


def test_a_long_type_is_cut_where_it_is_named(runtime):
    names = " ".join(f'"case-number-{n}"' for n in range(500))
    guest = start(runtime, echoing("$e", f"(type $e' (enum {names})) (export $e \"many\" (type $e'))"))
    answer = guest.call("echo", [["case-number-x"]])
    assert answer.problem.endswith('…, got "case-number-x"')
    assert len(answer.problem) < 300
    assert answer.suggestion.startswith("Did you mean case-number-")
    assert len(guest.call("echo", []).suggestion) <= MAX_USAGE


@pytest.mark.parametrize("kind", ["(map string u32)", "(list u8 4)"])
def test_types_of_proposals_that_are_not_switched_on_are_refused_before_anything_is_deployed(runtime, kind):
    with pytest.raises(ArtifactFault, match="features this airs does not run"):
        start(runtime, echoing(kind))


def test_a_guest_that_returns_more_than_wasmtime_hands_over_ends_alone(runtime):
    data = wasm("""
    (component
      (core module $m (memory (export "memory") 1024) (func (export "much") (result i32)
        (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 60000000)) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func (export "much") (result (list u8))
        (canon lift (core func $i "much") (memory (core memory $i "memory")))))
    """)
    answer = start(runtime, data, memory=128 << 20).call("much", [])
    assert "too much data" in str(answer.reason)


def test_a_misspelt_field_is_suggested(runtime):
    guest = start(runtime, echoing("$point", POINT))
    assert guest.call("echo", [[{"x": 1, "lable": "a"}]]).suggestion == "Did you mean label?"


def test_bytes_may_be_given_as_base64(runtime):
    assert start(runtime, echoing("(list u8)")).call("echo", [["AAH/"]]) == Returned([[0, 1, 255]])


def test_a_mebibyte_of_bytes_comes_back(runtime):
    data = list(range(256)) * 4096
    guest = start(runtime, echoing("u8"), memory=8 << 20)
    assert guest.call("echo", [data]) == Returned(data)


@pytest.fixture(scope="module")
def echoes():
    runtime = Runtime(None)
    yield {
        kind: start(runtime, echoing(kind), memory=64 << 20) for kind in ("s64", "u64", "f32", "f64", "string", "char")
    }
    runtime.close()


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=20))
def test_every_s64_comes_back(echoes, values):
    assert echoes["s64"].call("echo", [values]) == Returned(values)


@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=20))
def test_every_u64_comes_back(echoes, values):
    assert echoes["u64"].call("echo", [values]) == Returned(values)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_every_f64_comes_back_bit_for_bit(echoes, values):
    back = echoes["f64"].call("echo", [values]).value
    assert struct.pack(f"{len(values)}d", *back) == struct.pack(f"{len(values)}d", *values)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20))
def test_every_f32_comes_back(echoes, values):
    back = echoes["f32"].call("echo", [values]).value
    assert all(math.isclose(a, b, rel_tol=0) for a, b in zip(back, values, strict=True))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_every_text_comes_back(echoes, values):
    # The guest never gives memory back; its limit holds all that this property sends.
    assert echoes["string"].call("echo", [values]) == Returned(values)


@given(st.lists(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_every_character_comes_back(echoes, values):
    assert echoes["char"].call("echo", [values]) == Returned(values)


@pytest.mark.parametrize(
    "name",
    [
        f"{OPERATIONS}#add",
        "example:calculator/operations#add",
        "calculator/operations#add",
        "operations#add",
        "operations.add",
        "add",
    ],
)
def test_a_function_is_found_by_its_full_name_or_a_unique_end_of_it(runtime, name):
    assert start(runtime, CALCULATOR).call(name, [2, -3]) == Returned(-1)


def test_a_function_that_is_not_there_is_answered_with_those_that_are(runtime):
    answer = start(runtime, CALCULATOR).call("ad", [1, 2])
    assert isinstance(answer, BadCall)
    assert answer.problem == "there is no function ad"
    assert answer.suggestion == "Did you mean add?"
    lines = answer.detail.splitlines()
    assert lines[:2] == ["version: func() -> string", OPERATIONS]
    assert "  add: func(a: s32, b: s32) -> s32" in lines
    assert len(lines) == 11  # one for each of ten functions, and the interface's


def test_of_very_many_functions_not_all_are_named(runtime):
    functions = "".join(f'(export "f{n}" (func $f))' for n in range(MAX_LISTED + 5))
    data = wasm(f"""
    (component
      (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f")))
      {functions})
    """)
    lines = start(runtime, data).call("nothing-like-it", []).detail.splitlines()
    assert len(lines) == MAX_LISTED + 1
    assert lines[-1] == "and 5 more, which `airs component info` lists"


def test_an_ambiguous_name_is_answered_with_the_full_ones(runtime):
    data = wasm("""
    (component
      (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f")))
      (instance $n (export "f" (func $f)))
      (export "a:a/one" (instance $n))
      (export "a:a/two" (instance $n)))
    """)
    answer = start(runtime, data).call("f", [])
    assert isinstance(answer, BadCall)
    assert answer.suggestion == "Write one of a:a/one#f, a:a/two#f."


def test_a_wrong_number_of_arguments_shows_the_type(runtime):
    answer = start(runtime, CALCULATOR).call("add", [1])
    assert answer == BadCall("expected 2 arguments, got 1", f"{OPERATIONS}#add is func(a: s32, b: s32) -> s32")


def test_an_err_result_is_a_refusal_with_its_value_as_json(runtime):
    guest = start(runtime, CALCULATOR)
    assert guest.call("divide", [1, 0]) == Refused("err", '"division-by-zero"')
    assert guest.call("divide", [7, 2]) == Returned(3)
    answer = guest.call("parse", ["x1"])
    assert isinstance(answer, Refused)
    assert answer.detail.startswith('{"invalid":')


def test_records_lists_variants_options_and_flags_of_a_real_component(runtime):
    guest = start(runtime, CALCULATOR)
    assert guest.call("scale", [[{"x": 1, "y": 2.5}], 2]) == Returned([{"x": 2.0, "y": 5.0}])
    assert guest.call("evaluate", [{"difference": {"left": 5, "right": 3}}]) == Returned(2.0)
    assert guest.call("summarise", [[]]) == Returned(None)
    assert guest.call("divide-with-remainder", [7, 2]) == Returned([3, 1])
    assert guest.call("format", [1234567, ["grouped", "signed"]]) == Returned("+1,234,567")
    assert guest.call("round", [1.5, "down"]) == Returned(1)


def test_a_result_is_returned_after_the_guest_cleaned_up_its_memory(runtime):
    data = wasm("""
    (component
      (core module $m (memory (export "memory") 1) (global $cleaned (mut i32) (i32.const 0))
        (func (export "text") (result i32)
          (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 2))
          (i32.store16 (i32.const 16) (i32.const 0x6968)) (i32.const 0))
        (func (export "clean") (param i32) (global.set $cleaned (i32.add (global.get $cleaned) (i32.const 1))))
        (func (export "cleaned") (result i32) (global.get $cleaned)))
      (core instance $i (instantiate $m))
      (func (export "text") (result string) (canon lift (core func $i "text")
        (memory (core memory $i "memory")) (post-return (core func $i "clean"))))
      (func (export "cleaned") (result u32) (canon lift (core func $i "cleaned"))))
    """)
    guest = start(runtime, data)
    assert guest.call("text", []) == Returned("hi")
    assert guest.call("text", []) == Returned("hi")
    assert guest.call("cleaned", []) == Returned(2)


def test_a_plain_function_at_the_root_is_called_by_its_name(runtime):
    assert start(runtime, wasm(TRAPS)).call("seven", []) == Returned(7)


def test_a_function_is_found_under_an_earlier_version_of_its_interface(runtime):
    guest = start(
        runtime,
        wasm("""
        (component (core module $m (func (export "f") (result i32) (i32.const 7))) (core instance $i (instantiate $m))
          (func $f (result u32) (canon lift (core func $i "f")))
          (instance $n (export "seven" (func $f))) (export "my:math/ops@1.2.0" (instance $n)))
        """),
    )
    for version in ("1.2.0", "1.0.0", "1.1.9"):
        assert guest.call(f"my:math/ops@{version}#seven", []) == Returned(7)
    for version in ("1.3.0", "0.9.0", "2.0.0"):
        assert isinstance(guest.call(f"my:math/ops@{version}#seven", []), BadCall)

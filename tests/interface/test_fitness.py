import msgspec
import pytest

from orchestrator.interface.fitness import unfitness
from orchestrator.model.world import Function
from tests.interface.worlds import ASKS, importing, world_of

STORAGE = "airssys:core/storage@1.0.0"
FUNC = '(export "f" (func))'


def told(*imports: str, **exporters: list[str]) -> str:
    found = unfitness(
        importing(*imports), {name.replace("__", ":").replace("_", "/"): by for name, by in exporters.items()}
    )
    return "\n".join(f"{each.summary} | {each.detail} | {each.suggestion}" for each in found)


def instance(name: str, body: str = FUNC) -> str:
    return f'(import "{name}" (instance {body}))'


def test_a_component_that_finds_everything_here_is_fit():
    wasi = instance("wasi:random/random@0.2.0", '(export "get-random-u64" (func (result u64)))')
    own = instance("airssys:core/host-services@1.0.0", '(export "current-time-millis" (func (result u64)))')
    assert told(wasi, own) == ""


def test_types_that_a_world_uses_need_nobody():
    assert told('(type $r (record (field "a" u8)))', '(import "r" (type (eq $r)))') == ""


MISSING = [
    ("airssys:core/storage@1.1.0", "the host has it as airssys:core/storage@1.0.0"),
    ("airssys:core/secrets@1.0.0", "airs has no such interface, only airssys:core/capabilities@1.0.0, "),
    ("wasi:clocks/wall-clock@0.3.0", "it is of WASI 0.3, and WASI 0.2 is what is linked here"),
    ("wasi:clocks/wall-clock@0.1.0", "the host has it as wasi:clocks/wall-clock@0.2"),
    ("wasi:http/types@0.2.0", "a part of WASI that is not linked here"),
    ("foo:bar/baz@1.0.0", "nobody has it"),
    ("plain", "nobody has it"),
]


@pytest.mark.parametrize(("name", "who"), MISSING)
def test_who_could_provide_a_missing_interface_is_said(name, who):
    text = told(instance(name))
    assert text.startswith(f"the component imports what nothing here provides: `{name}` | `{name}`: {who}")


def test_other_components_that_export_a_missing_interface_are_named():
    text = told(instance("a:b/c"), a__b_c=["`x.wasm`", "`y.wasm`"])
    assert "exported by `x.wasm`, `y.wasm`, but components are not linked with each other here" in text
    assert "another version, a:b/c@2.0.0, is exported by `x.wasm`" in told(
        instance("a:b/c@1.0.0"), **{"a__b_c@2.0.0": ["`x.wasm`"]}
    )


def test_everything_missing_is_named_at_once():
    text = told(instance("a:b/c"), instance("d:e/f"), '(import "g" (func))', '(import "h" (type (sub resource)))')
    assert "provides: `a:b/c`, `d:e/f`, `g`, `h` |" in text


def test_of_very_many_missing_ones_the_rest_is_counted():
    assert "`n19` and 30 more |" in told(*(instance(f"n{number}") for number in range(10, 60))).replace("n29", "n19")


DIFFERING = [
    ('(export "get" (func (param "key" string)))', "imports `{}#get` with another type"),
    ('(export "get" (func async (param "key" string)))', "found async func(key: string)."),
    ('(export "purge" (func))', "imports `{}#purge`, and its interface has no such function here"),
    ('(export "purge" (func))', "It has delete, exists, get, list-keys, set, usage."),
    ('(export "bucket" (type (sub resource)))', "imports the resource `{}#bucket`"),
]


@pytest.mark.parametrize(("body", "said"), DIFFERING)
def test_what_differs_from_the_host_is_said(body, said):
    assert said.format(STORAGE) in told(instance(STORAGE, body))


def test_expected_and_found_types_are_shown():
    text = told(instance(STORAGE, '(export "exists" (func (param "key" (list u8)) (result bool)))'))
    assert "Expected func(key: string) -> result<bool, variant{not-found(string), " in text
    assert "found func(key: list<u8>) -> bool." in text


def test_what_a_parameter_is_called_does_not_matter():
    assert told(instance("airssys:core/host-services@1.0.0", '(export "sleep-millis" (func (param "n" u64)))')) == ""


def test_all_functions_that_differ_are_named_at_once():
    body = '(export "get" (func)) (export "set" (func)) (export "purge" (func))'
    assert told(instance(STORAGE, body)).count("the component imports") == 3


def test_a_function_that_this_wasi_lacks_is_named():
    assert "`wasi:cli/exit@0.2.99#leave`, and its interface has no such function" in told(
        instance("wasi:cli/exit@0.2.99", '(export "leave" (func))')
    )


def test_a_component_for_wasi_0_3_is_called_one_with_what_to_do():
    lifted = '(core module $m (func (export "f"))) (core instance $i (instantiate $m))'
    run = '(func $f (canon lift (core func $i "f"))) (instance $n (export "run" (func $f)))'
    world = world_of(f'(component {lifted} {run} (export "wasi:cli/run@0.3.0" (instance $n)))')
    (unfit,) = unfitness(world)
    assert unfit.detail == "It is built for WASI 0.3: wasi:cli/run@0.3.0."
    assert "wasm32-wasip2" in unfit.suggestion
    assert "wasm32-wasip2" in told(instance("wasi:cli/stdin@0.3.0", '(export "read" (func (result (stream u8))))'))


def test_every_function_of_wasi_with_another_type_is_named():
    clock = instance(
        "wasi:clocks/monotonic-clock@0.2.0",
        '(export "now" (func (result u32))) (export "resolution" (func (param "x" u8))) (export "later" (func))',
    )
    text = told(clock)
    assert "`wasi:clocks/monotonic-clock@0.2.0#now` with another type than it has here" in text
    assert "type mismatch with results: expected `u64` found `u32`" in text
    assert "`wasi:clocks/monotonic-clock@0.2.0#resolution` with another type" in text
    assert "`wasi:clocks/monotonic-clock@0.2.0#later`, and its interface has no such function here" in text
    assert text.count("the component imports") == 3


def test_who_makes_requests_has_to_take_their_answers():
    assert told(ASKS).startswith("the component makes requests, and could not be given their answers | It imports")
    world = importing(ASKS)
    callback = Function(name="airssys:core/component-lifecycle@1.0.0#handle-callback", signature="")
    assert unfitness(msgspec.structs.replace(world, exports=(*world.exports, callback))) == []

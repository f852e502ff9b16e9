"""docs/typed-calls.md holds: its examples are run in order, and it has one for every kind of type there is."""

from orchestrator.model import wit
from orchestrator.runtime.guest.sessions import MAX_HANDLES, MAX_SESSIONS
from orchestrator.supervise.sessions import SESSION_IDLE_MS
from tests.docs.documents import ROOT
from tests.docs.tour import steps, take

PAGE = (ROOT / "docs/typed-calls.md").read_text(encoding="utf-8")
SCALARS = ["bool", "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "char", "string"]
OTHERS = [
    "bytes",
    "list",
    "tuple",
    "option",
    "nested-option",
    "result",
    "results",
    "record",
    "variant",
    "enum",
    "flags",
]


def test_the_examples_can_be_run_and_show_what_they_say(clone):
    take(PAGE, clone)


def test_there_is_an_example_for_every_type():
    shown = "\n".join(command for command, _, _ in steps(PAGE))
    assert [kind for kind in (*SCALARS, *OTHERS) if f"call types echo-{kind} " not in shown] == []


def test_the_bounds_are_those_of_the_code():
    assert f"| sessions of one instance | {MAX_SESSIONS} |" in PAGE
    assert f"| handles of one session | {MAX_HANDLES};" in PAGE
    assert f"| time without a call | {SESSION_IDLE_MS // 60_000} minutes |" in PAGE


def test_every_kind_of_type_that_the_code_knows_has_a_row():
    rows = PAGE.split("## Types")[1].split("\n\n")[1]
    words = {"HandleOf": "own", "Opaque": "stream", "Scalar": "bool"}
    kinds = [words.get(kind.__name__, kind.__name__.removesuffix("Of").lower()) for kind in wit.WitType.__args__]
    assert [kind for kind in kinds if f"`{kind}`" not in rows] == []

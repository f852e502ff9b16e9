"""Resources, and the sessions whose handles they are: what is passed, kept, given away and dropped."""

import pytest

from orchestrator.model.exits import ExitKind
from orchestrator.model.message import BadCall, Exited, Refused, Returned
from orchestrator.runtime import Direct
from orchestrator.runtime.guest.sessions import MAX_HANDLES, MAX_SESSIONS
from tests.runtime.guests import ROOT, start, told, wasm

TYPES = (ROOT / "examples/08-types/components/types-1.0.0/types.wasm").read_bytes()
COUNTERS = "example:types/counters@1.0.0"

# A destructor that does what the resource's number says: 1 traps, 2 loops, 3 waits in the host, 4 grows its memory.
DROPPED = """
(component
  (import "airssys:core/host-services@1.0.0" (instance $h
    (export "current-time-millis" (func (result u64))) {sleep}))
  (core module $memory (memory (export "m") 1))
  (core instance $mi (instantiate $memory))
  {lowered}
  (core module $lib
    (import "" "sleep" (func $sleep (param i64)))
    (import "" "m" (memory 1))
    (global $dropped (mut i32) (i32.const 0))
    (func (export "dropped") (result i32) (global.get $dropped))
    (func (export "dtor") (param i32)
      (global.set $dropped (i32.add (global.get $dropped) (i32.const 1)))
      (if (i32.eq (local.get 0) (i32.const 1)) (then unreachable))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (loop (br 0))))
      (if (i32.eq (local.get 0) (i32.const 3)) (then (call $sleep (i64.const 20))))
      (if (i32.eq (local.get 0) (i32.const 4))
        (then (loop (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (br 0))))))
  (core instance $li (instantiate $lib
    (with "" (instance (export "sleep" (func $sleep)) (export "m" (memory $mi "m"))))))
  (type $r' (resource (rep i32) (dtor (core func $li "dtor"))))
  (export $r "thing" (type $r'))
  (core func $new (canon resource.new $r'))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0))))
  (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
  (func (export "make") (param "number" u32) (result (own $r)) (canon lift (core func $i "make")))
  (func (export "dropped") (result u32) (canon lift (core func $li "dropped"))))
"""
WAITS = DROPPED.format(
    sleep='(export "sleep-millis" (func (param "milliseconds" u64)))',
    lowered='(core func $sleep (canon lower (func $h "sleep-millis")))',
)
NO_WAITS = DROPPED.format(
    sleep="",
    lowered="""(core module $no (func (export "sleep") (param i64)))
    (core instance $ni (instantiate $no)) (alias core export $ni "sleep" (core func $sleep))""",
)


@pytest.fixture(params=[WAITS, NO_WAITS], ids=["waits", "no-waits"])
def dropped(request, make_runtime) -> Direct:
    return start(make_runtime(told()), wasm(request.param), timeout_ms=100, fuel=1_000_000_000_000, memory=1 << 20)


@pytest.fixture
def guest(runtime) -> Direct:
    return start(runtime, TYPES)


def made(guest: Direct, session: str, *starts: int) -> list[int]:
    answers = [guest.call("counter.new", [start], session) for start in starts]
    assert all(isinstance(answer, Returned) for answer in answers), answers
    return [answer.value for answer in answers]


def problem(answer: object) -> str:
    assert isinstance(answer, BadCall), answer
    return answer.problem


def living(guest: Direct) -> int:
    return guest.call("living", []).value


def test_a_resource_is_made_used_and_given_away_by_its_handle(guest):
    one, other = made(guest, "s", 5, 7)
    assert guest.call("counter.add", [one, 3], "s") == Returned(8)
    assert guest.call("counters.total", [[one, other, one]], "s") == Returned(23)
    merged = guest.call("counter.merge", [one, other], "s").value
    assert guest.call(f"{COUNTERS}#[method]counter.value", [merged], "s") == Returned(15)
    assert living(guest) == 1
    assert guest.sessions == {"s": 1}


def test_handles_come_in_lists_and_are_gone_also_when_the_call_that_took_them_fails(guest):
    handles = guest.call("several", [3], "s").value
    assert [guest.call("counter.value", [handle], "s").value for handle in handles] == [0, 1, 2]
    assert guest.call("cash", [handles[0]], "s") == Refused("err", '"it has not counted"')
    assert guest.call("cash", [handles[1]], "s") == Returned(1)
    assert living(guest) == 1


def test_a_handle_that_may_not_be_passed_is_refused_with_its_path_and_why_and_no_code_runs(guest):
    one, gone, dropped_ = made(guest, "s", 1, 2, 3)
    (elsewhere,) = made(guest, "t", 4)
    tally = guest.call("tally.new", [], "s").value
    guest.call("cash", [gone], "s")
    guest.release("s", [dropped_])
    for arguments, said in (
        ([[one, 99]], "args[0][1]: session s has no handle 99"),
        ([[elsewhere]], f"args[0][0]: handle {elsewhere} is another session's, not s's"),
        ([[gone]], f"args[0][0]: handle {gone} is no more: it was given away to {COUNTERS}#cash"),
        ([[dropped_]], f"args[0][0]: handle {dropped_} is no more: it was dropped"),
        ([[tally]], f"args[0][0]: expected borrow<counter>, got handle {tally}, which is a tally"),
        ([["1"]], 'args[0][0]: expected borrow<counter>, the number of a handle, got "1"'),
        ([[True]], "args[0][0]: expected borrow<counter>, the number of a handle, got true"),
    ):
        assert problem(guest.call("counters.total", arguments, "s")) == said
    assert problem(guest.call("counter.merge", [one, one], "s")) == (
        f"args[1]: handle {one} is passed twice, and given away by one of them"
    )
    assert guest.call("counter.value", [one], "s") == Returned(1)  # a call that was refused took nothing


def test_all_that_is_wrong_with_handles_is_said_at_once(guest):
    answer = guest.call("counter.merge", [7, "x"], "s")
    assert answer.detail.splitlines() == [
        "args[0]: session s has no handle 7",
        'args[1]: expected own<counter>, the number of a handle, got "x"',
    ]
    assert guest.sessions == {}  # what never began holds no place


def test_without_a_session_what_has_a_resource_in_its_type_is_refused_before_it_runs(guest):
    for function, arguments in (("counter.new", [1]), ("counter.value", [1]), ("several", [2])):
        answer = guest.call(function, arguments)
        assert "whose handle lives in a session" in problem(answer)
        assert "--session" in answer.suggestion
    assert living(guest) == 0


def test_the_end_of_a_session_drops_what_it_holds_and_nothing_else(guest):
    made(guest, "s", 1, 2)
    made(guest, "t", 3)
    assert guest.release("s") == Returned(2)
    assert (living(guest), guest.sessions) == (1, {"t": 1})
    assert problem(guest.release("s")) == "there is no session s"


def test_handles_are_dropped_one_by_one_and_only_all_of_those_named(guest):
    one, other = made(guest, "s", 1, 2)
    assert problem(guest.release("s", [one, 99])) == "session s has no handle 99"
    assert living(guest) == 2
    assert guest.release("s", [one, one]) == Returned(1)
    assert (living(guest), guest.sessions) == (1, {"s": 1})
    assert guest.call("counter.value", [other], "s") == Returned(2)


def test_a_polite_end_runs_the_destructors(dropped):
    dropped.call("make", [0], "s")
    assert dropped.shutdown() is None
    assert dropped.call("dropped", []) == Returned(1)
    assert dropped.sessions == {}


def test_a_session_has_so_many_handles_and_no_more(guest):
    assert guest.call("several", [MAX_HANDLES + 1], "s") == Refused(
        "session-full",
        f"the call returned {MAX_HANDLES + 1} handles, and a session has at most {MAX_HANDLES}: they were dropped",
    )
    assert (living(guest), guest.sessions) == (0, {"s": 0})
    guest.call("several", [MAX_HANDLES], "s")
    assert "holds 1000 handles" in problem(guest.call("counter.new", [1], "s"))
    assert isinstance(guest.call("living", [], "s"), Returned)


def test_an_instance_has_so_many_sessions_and_no_more(guest):
    for number in range(MAX_SESSIONS):
        made(guest, f"s{number}", 1)
    assert "sessions, which is as many as it may" in problem(guest.call("counter.new", [1], "one-more"))
    guest.release("s0")
    made(guest, "one-more", 1)


def test_a_number_is_never_two_handles(guest, runtime):
    (first,) = made(guest, "s", 1)
    guest.release("s")
    again = start(runtime, TYPES)
    numbers = [first, *made(guest, "s", 1), *made(again, "s", 1)]
    assert len(set(numbers)) == 3


@pytest.mark.parametrize(("number", "kind"), [(1, ExitKind.TRAPPED), (2, ExitKind.DEADLINE), (4, ExitKind.MEMORY)])
def test_a_destructor_that_fails_ends_its_instance_alone(dropped, number, kind):
    dropped.call("make", [number], "s")
    ended = dropped.release("s")
    assert isinstance(ended, Exited), ended
    assert ended.reason.kind is kind
    assert dropped.call("make", [0], "s") == ended


def test_a_destructor_may_wait_in_the_host(make_runtime):
    guest = start(make_runtime(told()), wasm(WAITS))
    guest.call("make", [3], "s")
    assert guest.release("s") == Returned(1)


def test_the_destructors_of_a_session_share_the_limits_of_one_call(make_runtime):
    guest = start(make_runtime(told()), wasm(WAITS), timeout_ms=50)
    for _ in range(50):
        guest.call("make", [3], "s")
    ended = guest.release("s")
    assert isinstance(ended, Exited)
    assert ended.reason.kind is ExitKind.DEADLINE

"""The runs of a job: once for each revision, again by request, ended when they must."""

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.job import JobOutcome
from orchestrator.model.message import Exited
from orchestrator.model.observed import Phase
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.job import AGAIN_MAX_MS, AGAIN_MIN_MS, RUNS_MAX, Runs
from tests.plan.build import key, revision
from tests.simulation.time import FakeClock
from tests.supervise.stage import Heard

ONE, TWO = revision(), revision("2.0.0")


class Guest:
    """A job that ends as it is told, unless it was interrupted before."""

    def __init__(self) -> None:
        self.is_interrupted = self.is_closed = False

    memory_bytes = 0

    def run(self) -> JobOutcome:
        killed = JobOutcome(reason=ExitReason(kind=ExitKind.KILLED))
        return killed if self.is_interrupted else JobOutcome(code=0)

    def interrupt(self) -> None:
        self.is_interrupted = True

    def close(self) -> None:
        self.is_closed = True


class Taker:
    def write(self, stream: str, data: bytes) -> bool:
        return True

    def attach(self, resume) -> None:
        return

    def close(self) -> None:
        return


class Stage:
    """The runs of one deployment, on threads that only the test moves."""

    def __init__(self) -> None:
        self.waiting: list = []
        self.started: list = []
        self.guests: list[Guest] = []
        self.heard = Heard()
        self.refusal: Exited | None = None
        self.clock = FakeClock()
        environment = Environment(self._no_guest, self, self.clock, self.heard, lambda: 0.0, self._start)
        self.runs = Runs(key("one"), environment)

    def submit(self, job) -> None:
        raise AssertionError("a job has a thread of its own")

    submit_slow = submit

    def submit_job(self, job) -> None:
        self.waiting.append(job)

    def go(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()

    def _start(self, revision, run, args, taker):
        self.started.append((revision.version, run.instance, args))
        if self.refusal:
            return self.refusal
        self.guests.append(Guest())
        return self.guests[-1]

    def _no_guest(self, *_arguments):
        raise AssertionError("a job is not started as what stays")


def test_a_revision_is_run_once_and_its_outcome_stays_until_it_is_forgotten():
    stage = Stage()
    run = stage.runs.once(ONE)
    assert stage.runs.once(ONE) is run
    assert stage.runs.is_at_work
    stage.go()
    assert stage.runs.once(ONE) is run
    assert run.outcome == JobOutcome(code=0)
    assert stage.started == [("1.0.0", f"{ONE.id[:6]}-0", None)]
    assert stage.guests[0].is_closed
    assert not stage.runs.is_at_work
    assert stage.heard.changes == 1
    assert stage.runs.keep_only(None)
    assert stage.runs.find(ONE.id) is None


def test_another_revision_waits_until_what_was_begun_before_has_ended():
    stage = Stage()
    stage.runs.once(ONE)
    assert not stage.runs.keep_only(TWO.id)
    stage.go()
    assert stage.started == []  # cancelled before its turn came
    assert stage.runs.keep_only(TWO.id)
    stage.runs.once(TWO)
    stage.go()
    assert [version for version, _, _ in stage.started] == ["2.0.0"]


def test_one_that_cannot_be_started_has_failed_and_says_why():
    stage = Stage()
    stage.refusal = Exited(ExitReason(kind=ExitKind.INITIALIZE_FAILED, detail="no folder"))
    run = stage.runs.once(ONE)
    stage.go()
    assert str(run.outcome) == "initialize-failed: no folder"
    assert [(str(reason), then) for reason, then in stage.heard.exits] == [
        ("initialize-failed: no folder", "is not run again")
    ]


def test_what_the_host_could_not_begin_is_tried_again_after_waits_that_grow_and_then_runs():
    stage = Stage()
    stage.refusal = Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail="no thread"))
    first = stage.runs.once(ONE)
    stage.go()
    assert first.was_prevented
    assert stage.heard.exits[0][1] == f"is tried again in {AGAIN_MIN_MS} ms"
    assert stage.runs.once(ONE) is first
    changes = stage.heard.changes
    for due in stage.clock.pass_time(AGAIN_MIN_MS):
        due.fire()
    assert stage.heard.changes == changes + 1  # whoever asks for it looks again
    second = stage.runs.once(ONE)
    stage.go()
    assert second is not first
    stage.clock.pass_time(1_000)
    third = stage.runs.once(ONE)
    stage.go()
    assert third.again_ms == third.ended_ms - first.started_ms
    stage.refusal = None
    stage.clock.pass_time(AGAIN_MAX_MS)
    last = stage.runs.once(ONE)
    stage.go()
    assert last.outcome.succeeded
    assert stage.runs.once(ONE) is last


def test_a_run_by_request_that_the_host_could_not_begin_is_not_tried_again():
    stage = Stage()
    stage.refusal = Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail="no thread"))
    run = stage.runs.more(ONE, None, Taker(), lambda _run: None)
    stage.go()
    assert not run.was_prevented
    assert stage.heard.exits[0][1] == "is not run again"


def test_a_fault_of_ours_ends_that_run_alone():
    stage = Stage()
    stage.refusal = object()  # nothing that can be run
    run = stage.runs.once(ONE)
    stage.go()
    assert run.outcome.reason.kind is ExitKind.HOST_FAULT
    assert run.observe().phase is Phase.STOPPED


def test_runs_by_request_have_their_own_arguments_and_names_and_are_told_how_they_ended():
    stage = Stage()
    ended = []
    stage.runs.more(ONE, ("x",), Taker(), ended.append)
    stage.runs.more(ONE, None, Taker(), ended.append)
    assert len(stage.runs.observe()) == 2
    stage.go()
    assert [(name, args) for _, name, args in stage.started] == [
        (f"{ONE.id[:6]}-run-1", ("x",)),
        (f"{ONE.id[:6]}-run-2", None),
    ]
    assert [run.outcome.code for run in ended] == [0, 0]
    assert stage.runs.observe() == ()


def test_too_many_at_once_and_two_of_what_is_stateful_are_refused():
    stage = Stage()
    for _ in range(RUNS_MAX):
        assert stage.runs.more(ONE, None, Taker(), lambda _: None)
    assert stage.runs.more(ONE, None, Taker(), lambda _: None) is None
    alone = revision("3.0.0", stateful=True)
    assert stage.runs.more(alone, None, Taker(), lambda _: None) is None
    assert stage.runs.once(alone) is None
    stage.go()
    assert stage.runs.more(alone, None, Taker(), lambda _: None)


def test_ending_all_cancels_what_is_at_work_and_what_waits_for_its_turn():
    stage = Stage()
    stage.runs.once(ONE)
    stage.runs.more(ONE, None, Taker(), lambda _: None)
    assert not stage.runs.end_all()
    stage.go()
    assert stage.runs.end_all()
    assert stage.started == []

"""What a set of instances does, one job and one timer at a time."""

from random import Random

import pytest
from msgspec.structs import replace

from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Message, Refused, Replied, Returned
from orchestrator.model.spec import Backoff, CheckMessage, HealthPolicy, Mailbox, RestartPolicy, RestartType
from orchestrator.supervise.checks import KNOWN_MS
from orchestrator.supervise.instance import STOP_GRACE_MS
from tests.simulation.guest import FakeGuest, Script
from tests.simulation.time import SeededWorkers
from tests.supervise.stage import SENDER, Stage

HEALTH = HealthPolicy(interval_ms=1_000, timeout_ms=100, failure_threshold=2)
RESTART = RestartPolicy(intensity=2, period_ms=60_000, backoff=Backoff(initial_ms=100, factor=2.0, max_ms=1_000))


def stage(script: Script | None = None, **fields: object) -> Stage:
    made = Stage(SeededWorkers(Random(0)), **{"health": HEALTH, "restart": RESTART, **fields})
    made.runtime.scripts[made.deployment.revision.artifact] = script or Script()
    made.set.scale(made.deployment)
    return made


def running(script: Script | None = None, **fields: object) -> Stage:
    made = stage(script, **fields)
    made.workers.run_all()
    return made


def answered(made: Stage, text: str) -> object:
    outcomes = made.send(text)
    made.workers.run_all()
    return outcomes[0] if outcomes else None


def kinds(made: Stage) -> list[ExitKind]:
    return [reason.kind for reason, _ in made.heard.exits]


def test_it_is_ready_only_once_a_real_call_has_answered():
    made = stage(Script(never_healthy=True))
    made.workers.run_all()
    assert made.phases == ["running"]
    assert made.set.ready == 0
    assert answered(made, "echo x") is None
    assert made.route.depth == 1


def test_a_message_is_answered_by_the_instance_that_is_idle():
    made = running()
    assert answered(made, "echo hello") == Replied(b"hello")
    assert answered(made, "err no") == Refused("runtime-error", "no")


def test_an_instance_that_exits_starts_again_after_its_backoff_and_takes_what_waited():
    made = running()
    exited = answered(made, "trap")
    assert isinstance(exited, Exited)
    assert made.phases == ["backing-off"]
    waiting = made.send("echo later")
    made.fire(99)
    assert made.phases == ["backing-off"]
    made.fire(1)
    made.workers.run_all()
    assert waiting == [Replied(b"later")]
    assert made.set.observe()[0].restarts == 1


def test_the_second_restart_waits_longer_and_the_third_exit_is_given_up():
    made = running()
    answered(made, "trap")
    made.fire(100)
    made.workers.run_all()
    answered(made, "trap")
    made.fire(199)
    assert made.phases == ["backing-off"]
    made.fire(1)
    made.workers.run_all()
    answered(made, "trap")
    assert made.phases == ["gave-up"]
    assert made.set.is_dead
    assert made.set.has_given_up
    assert "gave up: 2 restarts within 60s" in made.heard.exits[-1][1]


def test_what_was_given_up_is_tried_again_with_a_clean_record_when_asked_or_when_the_spec_changes():
    made = running(Script(failing_starts=3))
    for _ in range(2):
        made.fire(1_000)
        made.workers.run_all()
    assert made.phases == ["gave-up"]
    made.set.restart()
    made.workers.run_all()
    assert made.phases == ["running"]
    answered(made, "trap")
    assert made.phases == ["backing-off"]
    made = running(Script(failing_starts=3))
    for _ in range(2):
        made.fire(1_000)
        made.workers.run_all()
    made.set.scale(replace(made.deployment, restart=replace(RESTART, intensity=3)))
    made.workers.run_all()
    assert made.phases == ["running"]


def backing_off() -> Stage:
    """Have an instance that was started again once, failed again and waits for a minute."""
    made = running(restart=RESTART)
    answered(made, "trap")
    made.fire(100)
    made.workers.run_all()
    edit(made, backoff=replace(RESTART.backoff, initial_ms=60_000, max_ms=60_000))
    answered(made, "trap")
    assert made.phases == ["backing-off"]
    assert made.set.observe()[0].next_start_ms == made.clock.wall_ms() + 60_000
    return made


def edit(made: Stage, **restart: object) -> None:
    after = replace(made.set.deployment, restart=replace(made.set.deployment.restart, **restart))
    made.set.scale(after)
    made.workers.run_all()


@pytest.mark.parametrize(
    ("edited", "phase"),
    [
        ({"type": RestartType.TEMPORARY}, "stopped"),
        ({"type": RestartType.TRANSIENT}, "backing-off"),
        ({"intensity": 1}, "gave-up"),
        ({"intensity": 1, "period_ms": 100}, "backing-off"),  # the first failure was just that long ago
        ({"period_ms": 1}, "backing-off"),
        ({"backoff": replace(RESTART.backoff, initial_ms=1, max_ms=1)}, "backing-off"),
    ],
)
def test_a_policy_edited_during_a_back_off_is_obeyed_at_once(edited, phase):
    made = backing_off()
    edit(made, **edited)
    assert made.phases == [phase]
    assert [reason for _, reason, _ in made.heard.news] == ["restart-changed"]


def test_a_shorter_back_off_is_counted_from_the_failure_and_a_longer_one_as_well():
    made = backing_off()
    made.fire(400)
    edit(made, backoff=replace(RESTART.backoff, initial_ms=250, max_ms=500))  # the second restart: twice as long
    assert made.set.observe()[0].next_start_ms == made.clock.wall_ms() + 100
    made.fire(99)
    edit(made, backoff=replace(RESTART.backoff, initial_ms=300, max_ms=600))
    made.fire(100)
    assert made.phases == ["backing-off"]
    made.fire(1)
    made.workers.run_all()
    assert made.phases == ["running"]
    assert made.set.observe()[0].next_start_ms == 0


def test_a_back_off_that_would_be_over_under_the_edited_policy_is_over():
    made = backing_off()
    made.fire(5_000)
    edit(made, backoff=RESTART.backoff)
    made.fire(0)
    made.workers.run_all()
    assert made.phases == ["running"]
    assert made.set.observe()[0].restarts == 2


def test_an_edit_of_something_else_leaves_a_back_off_alone():
    made = backing_off()
    made.set.scale(replace(made.set.deployment, labels=(("a", "b"),)))
    assert (made.phases, made.heard.news) == (["backing-off"], [])


def test_an_edited_interval_of_health_checks_is_in_force_at_once():
    made = running(health=replace(HEALTH, interval_ms=3_600_000))
    answered(made, "health unhealthy")
    made.fire(2_000)
    assert made.set.ready == 1
    made.set.scale(replace(made.set.deployment, health=HEALTH))
    made.fire(0)
    made.workers.run_all()
    assert made.set.ready == 0


@pytest.mark.parametrize(
    ("kind", "word", "phase"),
    [
        (RestartType.TEMPORARY, "trap", "stopped"),
        (RestartType.TRANSIENT, "trap", "backing-off"),
        (RestartType.PERMANENT, "trap", "backing-off"),
    ],
)
def test_the_restart_type_says_which_exit_is_missed(kind, word, phase):
    made = running(restart=replace(RESTART, type=kind))
    answered(made, word)
    assert made.phases == [phase]


def test_what_was_let_go_starts_when_it_is_to_be_permanent_after_all_and_not_for_anything_else():
    made = running(restart=replace(RESTART, type=RestartType.TEMPORARY))
    answered(made, "trap")
    made.set.scale(replace(made.deployment, labels=(("team", "core"),)))
    made.workers.run_all()
    assert made.phases == ["stopped"]
    made.set.scale(replace(made.deployment, restart=RESTART))
    made.workers.run_all()
    assert made.phases == ["running"]


def test_health_is_asked_again_and_again_and_enough_failures_in_a_row_end_the_instance():
    made = running(Script(unhealthy_from=3))
    for expected in (1, 0, 0):
        made.fire(1_000)
        made.workers.run_all()
        assert made.set.ready == expected
    assert kinds(made) == [ExitKind.UNHEALTHY]
    assert made.phases == ["backing-off"]


def test_a_guest_that_can_say_nothing_else_than_that_it_is_well_is_looked_at_once_a_minute(monkeypatch):
    monkeypatch.setattr(FakeGuest, "has_constant_health", True)
    made = running()
    for passed_ms, checks in ((HEALTH.interval_ms, 1), (KNOWN_MS - 2 * HEALTH.interval_ms, 1), (HEALTH.interval_ms, 2)):
        made.fire(passed_ms)
        made.workers.run_all()
        assert made.runtime.guests[0].checked == checks


@pytest.mark.parametrize(
    ("script", "health"),
    [
        (Script(never_healthy=True), HEALTH),
        (Script(), replace(HEALTH, call=CheckMessage("echo pong", expect="pong"))),
        (Script(), replace(HEALTH, interval_ms=2 * KNOWN_MS)),
    ],
    ids=["unhealthy", "with a health call", "already less often"],
)
def test_a_guest_of_constant_health_is_asked_at_its_interval_where_that_may_change_something(
    script, health, monkeypatch
):
    monkeypatch.setattr(FakeGuest, "has_constant_health", True)
    made = running(script, health=replace(health, failure_threshold=9))
    made.fire(health.interval_ms - health.interval_ms // 50)
    made.workers.run_all()
    assert made.runtime.guests[0].checked == 1
    made.fire(health.interval_ms // 50)
    made.workers.run_all()
    assert made.runtime.guests[0].checked == 2


def test_one_failed_check_takes_it_out_of_service_and_the_next_good_one_brings_it_back():
    made = running()
    answered(made, "health unhealthy")
    made.fire(1_000)
    made.workers.run_all()
    assert made.set.ready == 0
    assert made.set.is_ill
    waiting = made.send("echo x")
    made.runtime.guests[0].heal()
    made.fire(1_000)
    made.workers.run_all()
    assert waiting == [Replied(b"x")]
    assert not made.set.is_ill


def test_a_call_of_ours_that_raises_ends_that_instance_as_the_hosts_fault_and_no_other():
    made = running(Script(raises_every=1), replicas=2)
    outcome = answered(made, "echo x")
    assert isinstance(outcome, Exited)
    assert outcome.reason.kind is ExitKind.HOST_FAULT
    assert "a bug of ours" in outcome.reason.detail
    assert sorted(made.phases) == ["backing-off", "running"]


def test_what_is_the_hosts_fault_is_tried_again_however_often_and_counts_for_no_canary():
    made = running(Script(raises_every=1))
    for _ in range(5):
        answered(made, "echo x")
        assert made.phases == ["backing-off"]
        made.fire(RESTART.backoff.max_ms)
        made.workers.run_all()
    assert made.phases == ["running"]
    counters = made.route.counters(made.deployment.revision.id)
    assert (counters.handled, counters.errors, counters.faults) == (5, 5, 5)


def test_a_sender_that_fails_to_hear_its_answer_does_not_take_the_instance_with_it():
    made = running()

    def deaf(_outcome: object) -> None:
        raise ValueError("nobody listens")

    made.route.offer(Envelope(Message(sender=SENDER, payload=b"echo x", timestamp_ns=0), deaf))
    with pytest.raises(ValueError, match="nobody listens"):
        made.workers.run_all()
    assert answered(made, "echo still here") == Replied(b"still here")


def test_a_stop_lets_what_was_begun_end_and_takes_nothing_more():
    made = running()
    begun, waiting = made.send("echo begun"), made.send("echo waiting")
    made.set.stop()
    made.workers.run_all()
    assert (begun, waiting) == ([Replied(b"begun")], [])
    assert made.set.is_gone
    assert not made.runtime.open


def test_a_call_that_overruns_a_stop_is_interrupted_after_its_limit_and_a_grace():
    made = running()
    outcomes = made.send("echo slow")  # handed over; no worker has come to it
    made.set.stop()
    made.fire(made.deployment.revision.limits.timeout_ms + STOP_GRACE_MS)
    made.workers.run_all()
    assert outcomes[0].reason.kind is ExitKind.KILLED
    assert made.set.is_gone


def test_a_second_stop_or_restart_does_not_lift_the_limit_of_the_first():
    made = running()
    outcomes = made.send("echo slow")
    made.set.restart()
    made.set.restart()
    made.set.stop()
    made.fire(made.deployment.revision.limits.timeout_ms + STOP_GRACE_MS)
    made.workers.run_all()
    assert outcomes[0].reason.kind is ExitKind.KILLED


def test_an_instance_that_never_was_ready_and_is_not_started_again_is_given_up():
    made = running(Script(never_starts=True), restart=RestartPolicy(type=RestartType.TEMPORARY))
    assert made.phases == ["stopped"]
    assert made.set.has_given_up
    stopped = running(restart=RestartPolicy(type=RestartType.TEMPORARY))
    assert answered(stopped, "trap")
    assert stopped.phases == ["stopped"]
    assert not stopped.set.has_given_up


def test_a_call_that_is_cancelled_ends_its_guest_and_another_takes_its_place_at_once_whatever_its_policy():
    made = running(restart=RestartPolicy(type=RestartType.TEMPORARY, intensity=0))
    for steps in range(2):
        outcomes = made.call("echo")
        for _ in range(steps):
            made.workers.run_one()
        assert not made.cancel()
        made.workers.run_all()
        assert outcomes[0].reason.kind is ExitKind.CANCELLED
        made.fire(0)
        made.workers.run_all()
        assert answered(made, "echo next") == Replied(b"next")
    assert kinds(made) == [ExitKind.CANCELLED] * 2
    assert len(made.runtime.open) == 1


def test_a_cancellation_that_comes_too_late_ends_nobody():
    made = running()
    outcomes = made.call("echo")
    made.workers.run_all()
    made.cancel()
    assert outcomes == [Returned([])]
    assert answered(made, "echo y") == Replied(b"y")
    assert kinds(made) == []


def test_what_a_guest_ended_by_itself_is_told_though_it_was_cancelled():
    made = running(Script(is_deaf=True))
    outcomes = made.call("trap")
    made.workers.run_one()
    made.cancel()
    made.workers.run_all()
    assert outcomes[0].reason.kind is ExitKind.TRAPPED


def test_a_guest_that_answers_while_it_is_cancelled_ends_all_the_same():
    made = running(Script(is_deaf=True))
    outcomes = made.call("echo")
    made.workers.run_one()
    made.cancel()
    made.workers.run_all()
    assert outcomes[0].reason.kind is ExitKind.CANCELLED
    assert kinds(made) == [ExitKind.CANCELLED]


def test_a_call_that_waits_in_the_queue_is_taken_back_and_ends_nobody():
    made = running()
    begun, waiting = made.call("echo"), made.call("echo")
    assert made.cancel()
    made.workers.run_all()
    assert (begun, waiting) == ([Returned([])], [])
    assert kinds(made) == []


def test_a_message_that_an_actor_is_at_work_on_is_not_ended_by_its_sender():
    made = running()
    outcomes = made.send("echo x")
    made.workers.run_one()
    assert not made.cancel()
    made.workers.run_all()
    assert outcomes == [Replied(b"x")]
    assert kinds(made) == []


@pytest.mark.parametrize("again", [False, True])
def test_a_guest_that_fails_as_it_says_goodbye_has_ended_and_says_how(again):
    made = running()
    made.runtime.open[0].trap_next = True
    if again:
        made.set.restart()
    else:
        made.set.stop()
    made.workers.run_all()
    assert [(str(reason), then) for reason, then in made.heard.exits] == [("trapped: told to", "was told to end")]
    assert [seen.last_exit.kind for seen in made.set.observe()] == [ExitKind.TRAPPED]
    assert made.phases == (["running"] if again else ["stopped"])
    assert len(made.runtime.open) == again


def test_an_interruption_meant_for_one_guest_never_meets_the_next():
    made = running()
    made.send("trap")
    made.set.restart()
    made.workers.run_all()
    made.fire(made.deployment.revision.limits.timeout_ms + STOP_GRACE_MS)
    assert answered(made, "echo fine") == Replied(b"fine")


def test_what_was_told_to_end_before_its_start_came_is_never_started():
    made = stage()
    made.set.stop()
    made.workers.run_all()
    assert made.set.is_gone
    assert not made.runtime.guests


def test_a_stop_while_backing_off_ends_at_once_and_the_backoff_starts_nothing():
    made = running()
    answered(made, "trap")
    made.set.stop()
    assert made.set.is_gone
    made.fire(10_000)
    assert not made.workers.jobs


def test_a_restart_while_backing_off_starts_at_once_and_only_once():
    made = running()
    answered(made, "trap")
    made.set.restart()
    made.workers.run_all()
    made.fire(10_000)
    made.workers.run_all()
    assert made.phases == ["running"]
    assert len(made.runtime.guests) == 2


def test_a_set_that_is_stopping_is_neither_restarted_nor_scaled():
    made = running()
    made.set.stop()
    made.set.restart()
    made.set.scale(replace(made.deployment, replicas=3))
    made.workers.run_all()
    assert made.set.is_gone
    assert made.phases == ["stopped"]


def test_a_restart_goes_on_with_the_next_only_when_the_last_is_ready_again():
    made = running(replicas=3)
    made.set.restart()
    least = made.set.ready
    while made.workers.jobs:
        made.workers.run_one()
        least = min(least, made.set.ready)
    assert least == 2
    assert len(made.runtime.guests) == 6


def test_a_restart_that_fails_stops_there_and_leaves_the_others_alone():
    made = running(replicas=3)
    made.runtime.scripts[made.deployment.revision.artifact] = Script(never_starts=True)
    made.set.restart()
    made.workers.run_all()
    assert sorted(made.phases) == ["backing-off", "running", "running"]


def test_scaling_down_stops_the_youngest_and_a_place_is_taken_again_once_it_is_free():
    made = running(replicas=2)
    made.send("echo x")
    made.send("echo y")
    made.set.scale(replace(made.deployment, replicas=0))
    made.set.scale(replace(made.deployment, replicas=1))
    assert made.phases == ["stopping", "stopping"]
    made.workers.run_all()
    assert made.phases == ["running"]
    assert [len(outcomes) for outcomes in made.outcomes] == [1, 1]


def test_one_scaled_away_while_it_waited_for_its_restart_is_not_brought_back():
    made = running(replicas=3)
    made.set.restart()
    made.set.scale(replace(made.deployment, replicas=1))
    made.workers.run_all()
    made.fire(5_000)
    made.workers.run_all()
    assert made.phases == ["running"]
    assert len(made.runtime.open) == 1


class Asked:
    """Somebody who is asked, and answers when the test says so."""

    name = "asked"
    lane = "other"

    def __init__(self, made: Stage) -> None:
        self.id = ComponentId("default", "other")
        self._route = Route(self.id.deployment, Mailbox(capacity=100), made.clock)
        self._route.direct({"other": 100}, hold=False)
        self._made, self._taken = made, []
        made.router.add(self._route)

    def take(self, work: Envelope) -> None:
        self._taken.append(work)

    def ask(self, count: int) -> None:
        """Have the first instance ask it so often."""
        requester = self._made.requests.of(self._made.runtime.open[0].id)
        for _ in range(count):
            self._made.requests.ask(requester, self.id, b"", 60_000)
            self._route.idle(self)

    def answer(self) -> None:
        for envelope in self._taken:
            envelope.settle(Replied(b"yes"))


def test_messages_and_answers_take_turns():
    made = running()
    asked = Asked(made)
    asked.ask(3)
    for _ in range(5):
        made.send("echo x")
    asked.answer()
    made.workers.run_all()
    assert made.turns == ["message", "answer", "message", "answer", "message", "answer", "message", "message"]


def test_an_answer_comes_to_an_instance_that_is_idle_or_not_ready():
    made = running(Script(unhealthy_from=2))
    asked = Asked(made)
    asked.ask(1)
    asked.answer()
    made.workers.run_all()
    assert made.turns == ["answer"]
    made.fire(1_000)
    made.workers.run_all()
    assert made.set.ready == 0
    asked = Asked(made)
    asked.ask(2)
    asked.answer()
    made.workers.run_all()
    assert made.turns == ["answer"] * 3


def test_one_that_is_stopped_hears_what_came_and_that_the_rest_failed():
    made = running()
    asked = Asked(made)
    asked.ask(2)
    asked._taken.pop(0).settle(Replied(b"yes"))
    made.set.stop()
    made.workers.run_all()
    said = [(m.content_type, m.payload) for answers in made.asked.values() for m in answers]
    name = made.runtime.guests[0].id.instance
    assert said == [
        (None, b"yes"),
        ("application/vnd.airs.error", f"delivery-failed: instance {name} is told to end".encode()),
    ]
    assert made.phases == ["stopped"]
    asked.answer()
    assert made.route.requests.late == 1


def test_one_that_traps_at_an_answer_hears_no_more_of_them():
    made = running()
    asked = Asked(made)
    asked.ask(3)
    made.runtime.open[0].trap_next = True
    asked.answer()
    made.workers.run_all()
    assert made.phases == ["backing-off"]
    assert made.turns == ["answer"]
    made.fire(100)
    made.workers.run_all()
    assert answered(made, "echo x") == Replied(b"x")
    assert made.turns == ["answer", "message"]


def test_whoever_listens_is_told_of_every_change():
    made = stage()
    before = made.heard.changes
    made.workers.run_all()
    assert made.heard.changes > before
    before = made.heard.changes
    made.set.stop()
    made.workers.run_all()
    assert made.heard.changes > before

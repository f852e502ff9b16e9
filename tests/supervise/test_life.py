"""The life of an instance: every state with every event, and what random events can never bring about."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.message import Replied
from orchestrator.model.observed import Phase
from orchestrator.model.spec import HealthPolicy
from orchestrator.runtime.call.finish import finish
from orchestrator.supervise import life as life_module
from orchestrator.supervise.instance import Instance
from orchestrator.supervise.life import (
    ENDINGS,
    FOLLOWS,
    IGNORED,
    IMPOSSIBLE,
    READY,
    RETOLD,
    STOPPING,
    TABLE,
    Effect,
    Impossible,
    Life,
    LifeEvent,
    State,
    Then,
    diagram,
    next_life,
    pairs_of,
)
from tests.supervise.stage import Stage

# Written out once more, on purpose: a changed table has to be changed in two places, by somebody who means it.
ROWS = """
installed          start            → queued             disarm, clear_record, start, tell
installed          stop             → left               tell
queued             stop             → abandoned          disarm, tell
queued             restart          → abandoned          disarm, tell
queued             pause            → abandoned          disarm, tell
queued             dismiss          → abandoned          disarm, tell
queued             turn             → loading
loading            stop             → draining           disarm, limit_stop, tell
loading            restart          → draining           disarm, limit_stop, tell
loading            pause            → draining           disarm, limit_stop, tell
loading            dismiss          → draining           disarm, limit_stop, tell
loading            found-well       → idle               arm_check, offer
loading            found-ill        → unready            arm_check, look
loading            exited           → failed             disarm
idle               stop             → parting            disarm, limit_stop, part, tell
idle               restart          → parting            disarm, limit_stop, part, tell
idle               pause            → parting            disarm, limit_stop, part, tell
idle               dismiss          → parting            disarm, limit_stop, part, tell
idle               message          → at-work
idle               answer           → answering          answer
idle               check-due        → checking           check
at-work            stop             → draining           disarm, limit_stop, tell
at-work            restart          → draining           disarm, limit_stop, tell
at-work            pause            → draining           disarm, limit_stop, tell
at-work            dismiss          → draining           disarm, limit_stop, tell
at-work            done             → idle               offer
at-work            done-answer-next → answering          answer
at-work            check-due        → overdue            arm_check
at-work            exited           → failed             disarm
overdue            stop             → draining           disarm, limit_stop, tell
overdue            restart          → draining           disarm, limit_stop, tell
overdue            pause            → draining           disarm, limit_stop, tell
overdue            dismiss          → draining           disarm, limit_stop, tell
overdue            done             → checking           check
overdue            done-answer-next → checking           check
overdue            check-due        → overdue            arm_check
overdue            exited           → failed             disarm
checking           stop             → draining           disarm, limit_stop, tell
checking           restart          → draining           disarm, limit_stop, tell
checking           pause            → draining           disarm, limit_stop, tell
checking           dismiss          → draining           disarm, limit_stop, tell
checking           found-well       → idle               arm_check, offer
checking           found-ill        → unready            arm_check, look
checking           exited           → failed             disarm
answering          stop             → draining           disarm, limit_stop, tell
answering          restart          → draining           disarm, limit_stop, tell
answering          pause            → draining           disarm, limit_stop, tell
answering          dismiss          → draining           disarm, limit_stop, tell
answering          done             → idle               offer
answering          check-due        → overdue            arm_check
answering          exited           → failed             disarm
unready            stop             → parting            disarm, limit_stop, part, tell
unready            restart          → parting            disarm, limit_stop, part, tell
unready            pause            → parting            disarm, limit_stop, part, tell
unready            dismiss          → parting            disarm, limit_stop, part, tell
unready            answer           → unready-answering  answer
unready            check-due        → unready-checking   check
unready-overdue    stop             → draining           disarm, limit_stop, tell
unready-overdue    restart          → draining           disarm, limit_stop, tell
unready-overdue    pause            → draining           disarm, limit_stop, tell
unready-overdue    dismiss          → draining           disarm, limit_stop, tell
unready-overdue    done             → unready-checking   check
unready-overdue    done-answer-next → unready-checking   check
unready-overdue    check-due        → unready-overdue    arm_check
unready-overdue    exited           → failed             disarm
unready-checking   stop             → draining           disarm, limit_stop, tell
unready-checking   restart          → draining           disarm, limit_stop, tell
unready-checking   pause            → draining           disarm, limit_stop, tell
unready-checking   dismiss          → draining           disarm, limit_stop, tell
unready-checking   found-well       → idle               arm_check, offer
unready-checking   found-ill        → unready            arm_check, look
unready-checking   exited           → failed             disarm
unready-answering  stop             → draining           disarm, limit_stop, tell
unready-answering  restart          → draining           disarm, limit_stop, tell
unready-answering  pause            → draining           disarm, limit_stop, tell
unready-answering  dismiss          → draining           disarm, limit_stop, tell
unready-answering  done             → unready            look
unready-answering  check-due        → unready-overdue    arm_check
unready-answering  exited           → failed             disarm
abandoned          turn             → then
draining           found-well       → parting            part
draining           found-ill        → parting            part
draining           done             → parting            part
draining           done-answer-next → parting            part
draining           exited           → then               disarm
parting            parted           → then               disarm
failed             retry            → backing-off        arm_backoff, tell
failed             stand-by         → standing-by        disarm, tell
failed             give-up          → gave-up            disarm, tell
failed             forget           → ended              disarm, tell
backing-off        stop             → left               disarm, tell
backing-off        restart          → queued             disarm, clear_record, start, tell
backing-off        pause            → standing-by        disarm, count_failure, tell
backing-off        dismiss          → gave-up            disarm, count_failure, tell
backing-off        retry            → backing-off        arm_backoff, tell
backing-off        stand-by         → standing-by        disarm, tell
backing-off        give-up          → gave-up            disarm, tell
backing-off        forget           → ended              disarm, tell
backing-off        backoff-over     → queued             disarm, count_restart, count_failure, start, tell
standing-by        stop             → left               disarm, tell
standing-by        restart          → queued             disarm, clear_record, start, tell
standing-by        pause            → standing-by        disarm, count_failure, tell
standing-by        dismiss          → gave-up            disarm, count_failure, tell
standing-by        go-on            → queued             disarm, count_restart, count_failure, start, tell
standing-by        retry            → backing-off        arm_backoff, tell
standing-by        stand-by         → standing-by        disarm, tell
standing-by        give-up          → gave-up            disarm, tell
standing-by        forget           → ended              disarm, tell
gave-up            stop             → left               disarm, tell
gave-up            restart          → queued             disarm, clear_record, start, tell
gave-up            go-on            → queued             disarm, clear_record, start, tell
ended              stop             → left               disarm, tell
ended              restart          → queued             disarm, clear_record, start, tell
"""
TOLD = sorted(ENDINGS, key=lambda event: event.value)  # in the same order in every process
LIVES = [Life(state, then) for state in State for then in (Then if state in STOPPING else (None,))]


def read(row: str) -> tuple[State, LifeEvent, State | None, tuple[Effect, ...]]:
    state, event, _, to, *effects = re.split(r"[ ,]+", row)
    return (
        State(state),
        LifeEvent(event),
        None if to == "then" else State(to),
        tuple(Effect[e.upper()] for e in effects),
    )


@pytest.mark.parametrize("row", ROWS.strip().splitlines())
def test_an_event_of_the_table_leads_where_it_should_and_has_the_effects_it_should(row):
    state, event, to, effects = read(row)
    for then in Then if state in STOPPING else (None,):
        after, done = next_life(Life(state, then), event)
        if to is None:
            assert (after.state, done) == (FOLLOWS[then].state, (*effects, *FOLLOWS[then].effects))
            assert after.then is None
        else:
            assert (after.state, done) == (to, effects)
            assert (after.then is not None) == (to in STOPPING)


def test_the_table_has_these_rows_and_no_others():
    assert {read(row)[:2] for row in ROWS.strip().splitlines()} == TABLE.keys()


def test_every_event_in_every_state_is_in_the_table_or_ignored_or_impossible_for_one_reason():
    ignored, impossible = [*pairs_of(IGNORED)], [*pairs_of(IMPOSSIBLE)]
    assert len(ignored) == len({*ignored}), "two reasons"
    assert not {*ignored} & TABLE.keys()
    assert not {*ignored} & {*impossible}
    for life, event in itertools.product(LIVES, LifeEvent):
        pair = (life.state, event)
        known = pair in TABLE or pair in ignored or (life.then, event) in RETOLD
        assert known or pair in impossible, f"{pair} is left out"
        if known:
            next_life(life, event)
        else:
            with pytest.raises(Impossible, match=f"{event.value} cannot happen to an instance that is {pair[0].value}"):
                next_life(life, event)


def test_what_is_ignored_changes_nothing():
    for state, event in pairs_of(IGNORED):
        for life in (one for one in LIVES if one.state is state and (one.then, event) not in RETOLD):
            assert next_life(life, event) == (life, ())


@pytest.mark.parametrize(
    ("then", "event", "after"),
    [
        (Then.RESTART, LifeEvent.STOP, Then.LEAVE),
        (Then.STAND_BY, LifeEvent.STOP, Then.LEAVE),
        (Then.GIVE_UP, LifeEvent.STOP, Then.LEAVE),
        (Then.RESTART, LifeEvent.PAUSE, Then.STAND_BY),
        (Then.RESTART, LifeEvent.DISMISS, Then.GIVE_UP),
        (Then.STAND_BY, LifeEvent.DISMISS, Then.GIVE_UP),
        (Then.GIVE_UP, LifeEvent.PAUSE, Then.STAND_BY),
        (Then.STAND_BY, LifeEvent.RESTART, Then.STAND_BY),
        (Then.GIVE_UP, LifeEvent.RESTART, Then.GIVE_UP),
        (Then.STAND_BY, LifeEvent.GO_ON, Then.RESTART),
        (Then.GIVE_UP, LifeEvent.GO_ON, Then.RESTART),
        (Then.RESTART, LifeEvent.GO_ON, Then.RESTART),
        *((Then.LEAVE, event, Then.LEAVE) for event in (*TOLD, LifeEvent.GO_ON)),
    ],
)
def test_who_tells_it_again_while_it_ends_changes_what_follows(then, event, after):
    for state in STOPPING:
        assert next_life(Life(state, then), event)[0] == Life(state, after)


def test_every_state_can_be_reached_and_whatever_it_is_a_stop_ends_it_for_good():
    reached = {Life(State.INSTALLED)}
    while True:
        further = {
            next_life(life, event)[0] for life in reached for event in LifeEvent if _happens(life, event)
        } | reached
        if further == reached:
            break
        reached = further
    assert {life.state for life in reached} == {*State}
    for life in reached - {Life(State.FAILED)}:
        after = next_life(life, LifeEvent.STOP)[0]
        assert after.state is State.LEFT or after.then is Then.LEAVE


def test_others_see_every_phase_and_ready_only_while_it_runs():
    assert {state.phase for state in State} == {*Phase}
    assert all(state.phase is Phase.RUNNING for state in READY)
    assert {state for state in State if state.ready} == READY


def test_the_diagram_shows_every_state_and_every_change_that_does_not_end_it():
    drawn = diagram()
    for state in State:
        assert state.value.replace("-", "_") in drawn
    for (before, event), (to, _) in TABLE.items():
        if to is not None and to is not before and event not in ENDINGS and event is not LifeEvent.EXITED:
            edge = f"{before.value} --> {to.value}: ".replace("-", "_").replace("__>", "-->")
            assert re.search(f"{edge}.*{event.value}", drawn), edge


def _happens(life: Life, event: LifeEvent) -> bool:
    try:
        next_life(life, event)
    except Impossible:
        return False
    return True


ALWAYS = (*TOLD, LifeEvent.GO_ON, LifeEvent.CHECK_DUE, LifeEvent.ANSWER, LifeEvent.BACKOFF_OVER)
OVER = {
    "start": (LifeEvent.FOUND_WELL, LifeEvent.FOUND_ILL, LifeEvent.EXITED),
    "check": (LifeEvent.FOUND_WELL, LifeEvent.FOUND_ILL, LifeEvent.EXITED),
    "message": (LifeEvent.DONE, LifeEvent.DONE_ANSWER_NEXT, LifeEvent.EXITED),
    "answer": (LifeEvent.DONE, LifeEvent.EXITED),
    "goodbye": (LifeEvent.PARTED,),
}
BEGUN = {Effect.CHECK: "check", Effect.ANSWER: "answer", Effect.PART: "goodbye"}


class World:
    """What is around a life: its jobs, of which one at a time has the guest, and what is known of each start."""

    def __init__(self) -> None:
        self.life = Life(State.INSTALLED)
        self.job = ""  # what has the guest
        self.queued = self.starts = self.exits = self.taken = self.settled = 0
        self.is_leaving = False

    def possible(self) -> list[LifeEvent]:
        if self.life.state is State.INSTALLED:
            return [LifeEvent.START, *TOLD]
        offered = [LifeEvent.MESSAGE] if self.life.state is State.IDLE else []
        return [*ALWAYS, *OVER.get(self.job, ()), *offered, *([LifeEvent.TURN] if self.queued else [])]

    def have(self, event: LifeEvent) -> None:
        over = event in OVER.get(self.job, ())
        if over:
            self.settled += self.job == "message"
            self.job = ""
        self.exits += event in (LifeEvent.EXITED, LifeEvent.PARTED)
        self.queued -= event is LifeEvent.TURN
        before = self.life
        self.life, effects = next_life(self.life, event)
        if event is LifeEvent.STOP:
            self.is_leaving = True
        if event is LifeEvent.MESSAGE:
            self._begin("message")
            self.taken += 1
        if event is LifeEvent.TURN and before.state is State.QUEUED:
            self._begin("start")
            self.starts += 1
        for effect in effects:
            self.queued += effect is Effect.START
            assert not (effect is Effect.START and self.is_leaving), "a start after a stop"
            if effect in BEGUN:
                self._begin(BEGUN[effect])
        if self.life.state is State.FAILED:
            self.have(self.decision)

    def _begin(self, job: str) -> None:
        assert not self.job, f"{job} while {self.job} has the guest"
        assert job == "goodbye" or not self.is_leaving, f"{job} after a stop"
        self.job = job

    def check(self) -> None:
        state = self.life.state
        assert self.queued == (state in (State.QUEUED, State.ABANDONED)), "a start is queued once, or never"
        assert self.starts - self.exits == (state.phase is Phase.RUNNING or state in ALIVE), "a start has one exit"
        assert self.taken - self.settled == (self.job == "message"), "a message taken has one end"
        assert not state.ready or self.job != "goodbye"


ALIVE = (State.LOADING, State.DRAINING, State.PARTING)
DECISIONS = (LifeEvent.RETRY, LifeEvent.STAND_BY, LifeEvent.GIVE_UP, LifeEvent.FORGET)


@settings(max_examples=500)
@given(st.data())
def test_whatever_happens_one_job_has_the_guest_every_start_has_one_exit_and_nothing_begins_after_a_stop(data):
    world = World()
    for _ in range(data.draw(st.integers(0, 60))):
        world.decision = data.draw(st.sampled_from(DECISIONS))
        world.have(data.draw(st.sampled_from(world.possible())))
        world.check()


@settings(max_examples=200)
@given(st.data())
def test_whatever_happened_before_a_stop_is_followed_by_its_end(data):
    world = World()
    for _ in range(data.draw(st.integers(0, 40))):
        world.decision = data.draw(st.sampled_from(DECISIONS))
        world.have(data.draw(st.sampled_from(world.possible())))
    world.have(LifeEvent.STOP)
    for _ in range(5):
        ends = [*OVER.get(world.job, ()), *([LifeEvent.TURN] if world.queued else [])]
        if not ends:
            break
        world.have(data.draw(st.sampled_from(ends)))
    assert world.life == Life(State.LEFT)
    assert (world.starts, world.taken, world.queued) == (world.exits, world.settled, 0)


class Noted:
    """Workers that make every step at once, and what an instance was told of meanwhile."""

    def submit(self, work: object, _priority: object = None) -> None:
        finish(work)


def test_an_ordinary_message_goes_round_without_the_table_and_does_what_the_table_says(monkeypatch):
    assert next_life(Life(State.IDLE), LifeEvent.MESSAGE) == (Life(State.AT_WORK), ())
    assert next_life(Life(State.AT_WORK), LifeEvent.DONE) == (Life(State.IDLE), (Effect.OFFER,))
    seen: list[tuple[State, bool, int]] = []

    def at_work() -> None:
        (instance,) = made.set.members
        seen.append((instance.state, instance._mailbox_side.claim(), made.route.busy(instance._mailbox_side.lane)))

    made = Stage(Noted(), at_work, health=HealthPolicy())
    made.set.scale(made.deployment)
    seen.clear()  # of its start
    events: list[LifeEvent] = []
    note = Instance._note
    monkeypatch.setattr(Instance, "_note", lambda self, event: (events.append(event), note(self, event))[1])
    assert made.send("echo x") == [Replied(b"x")]
    assert seen == [(State.IDLE, False, 1)]  # at work: the route has nobody to give
    (instance,) = made.set.members
    assert events == []
    assert made.route.busy(instance._mailbox_side.lane) == 0
    assert instance._mailbox_side.claim()  # offered again
    assert {instance.state} <= life_module.READY

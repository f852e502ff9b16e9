"""Calls of sessions in a mailbox: each session has one instance, whatever else happens, and its end is told once."""

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import invariant, rule

from orchestrator.messaging.mailbox.envelope import Call, Envelope, Release
from orchestrator.messaging.mailbox.sessions import ENDED_MAX
from orchestrator.model.message import Undelivered
from tests.messaging import test_route as mail
from tests.messaging.test_route import CAPACITY, DONE, KEY, Letter, Stepping, Taker, route


class Sessions(mail.Mail):
    """Everything that happens to a mailbox, and calls of two sessions, which may be over at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.bound: dict[str, Taker] = {}

    def _note_taken(self) -> None:
        super()._note_taken()
        for taker in self.takers:
            for envelope in taker.work:
                if envelope.session is not None:
                    assert self.bound.setdefault(envelope.session, taker) is taker

    @rule(session=st.sampled_from(["s", "t"]))
    def call(self, session):
        was = self.route.depth
        letter = called(self.on, session)
        if self.refusal is not None:
            assert letter.outcomes == [self.refusal]
        elif was >= CAPACITY:
            assert letter.outcomes[0].case == "queue-full"
        else:
            assert all(outcome.case == "session-ended" for outcome in letter.outcomes)
        self._note_taken()

    @rule(which=st.integers(0, 3))
    def leave(self, which):
        taker = self.takers[which]
        if taker not in self.idle and not taker.work:
            self.route.leave(taker, "gone")
            self.bound = {session: bound for session, bound in self.bound.items() if bound is not taker}

    @rule(session=st.sampled_from(["s", "t"]), why=st.sampled_from(["", "unused"]))
    def end(self, session, why):
        taker = self.bound.get(session)
        if taker is not None and any(envelope.session == session for envelope in taker.work):
            return
        self.bound.pop(session, None)
        self.route.end_session(session, why)
        self._note_taken()

    @rule(lane=st.sampled_from(["a", "b"]))
    def forget(self, lane):
        if not any(taker.lane == lane for taker in self.bound.values()):  # who has gone, has left
            super().forget(lane)

    @invariant()
    def nobody_waits_for_somebody_who_is_idle(self):
        at_work = sum(len(taker.work) for taker in self.takers)
        assert at_work == self.route.busy("a") + self.route.busy("b")
        if not self.route.weights or (self.is_alone and at_work):
            return
        for letter in self._waiting():
            taker = self.bound.get(letter.envelope.session)
            if taker is not None:
                assert taker not in self.idle
            else:
                assert not any(one.lane == letter.envelope.lane for one in self.idle)


TestSessions = Sessions.TestCase


def called(on: Stepping, session: str, work: "Call | Release | None" = None) -> Letter:
    letter = Letter()
    letter.envelope = Envelope(work or Call("f", (), session), letter.outcomes.append)
    on.letters[letter.envelope] = letter
    refused = on.route.offer(letter.envelope)
    if refused is not None:
        letter.outcomes.append(refused)
    return letter


@pytest.fixture
def on() -> Stepping:
    return Stepping(route(a=100))


def ready(on: Stepping, lane: str = "a") -> Taker:
    taker = on.taker(lane)
    on.route.idle(taker)
    return taker


def case(letter: Letter) -> str:
    (outcome,) = letter.outcomes
    assert isinstance(outcome, Undelivered)
    return outcome.case


def test_a_session_waits_for_the_one_that_took_its_first_call_while_others_are_idle(on):
    one = ready(on)
    called(on, "s")
    ready(on)
    second = called(on, "s")
    assert second.taken_by == []
    on.finish(one)
    assert second.taken_by == [one]


def test_calls_that_came_before_the_session_was_bound_go_to_the_same_instance(on):
    letters = [called(on, "s") for _ in range(3)]
    one, other = ready(on), ready(on)
    for _ in letters:
        on.finish(one)
    assert [letter.taken_by for letter in letters] == [[one]] * 3
    assert other.work == []


def test_sessions_and_messages_take_turns_in_the_order_they_came(on):
    one = ready(on)
    called(on, "s")
    message, again, late = on.send(), called(on, "s"), on.send()
    taken = []
    for _ in range(3):
        on.finish(one)
        taken.append(one.work[0])
    assert taken == [message.envelope, again.envelope, late.envelope]


def test_a_session_stays_with_its_version_while_traffic_goes_elsewhere(on):
    one = ready(on, "a")
    called(on, "s")
    on.finish(one)
    on.route.direct({"b": 100}, hold=False)
    assert called(on, "s").taken_by == [one]


def test_while_messages_are_held_those_of_sessions_wait_too(on):
    one = ready(on)
    called(on, "s")
    on.finish(one)
    on.route.direct({"a": 100}, hold=True)
    letter = called(on, "s")
    assert letter.taken_by == []
    on.route.direct({"a": 100}, hold=False)
    assert letter.taken_by == [one]


def test_who_waits_when_the_instance_goes_is_told_and_nobody_is_told_again(on):
    one = ready(on)
    called(on, "s")
    waiting = called(on, "s")
    one.work.clear()
    on.route.leave(one, "instance 1 failed")
    assert case(waiting) == "session-ended"
    assert "instance 1 failed" in waiting.outcomes[0].detail
    assert called(on, "s").outcomes == []


def test_who_calls_after_the_instance_has_gone_is_told_once_and_then_begins_anew(on):
    one = ready(on)
    called(on, "s")
    on.finish(one)
    assert on.route.claim(one)
    on.route.leave(one, "instance 1 was stopped")
    other = ready(on)
    assert case(called(on, "s")) == "session-ended"
    assert called(on, "s").taken_by == [other]


def test_only_so_many_ends_are_remembered(on):
    one = ready(on)
    for number in range(ENDED_MAX + 1):
        called(on, f"s{number}")
        on.finish(one)
    assert on.route.claim(one)
    on.route.leave(one, "gone")
    assert called(on, "s0").outcomes == []
    assert case(called(on, "s1")) == "session-ended"


def test_what_ends_a_session_that_there_is_not_is_refused(on):
    ready(on)
    letter = called(on, "s", Release("s"))
    assert letter.outcomes == [Undelivered("no-such-session", f"{KEY} has no session s")]


def test_a_call_of_a_session_can_be_taken_back_while_it_waits(on):
    one = ready(on)
    called(on, "s")
    waiting = called(on, "s")
    assert on.route.withdraw(waiting.envelope)
    on.finish(one, DONE)
    assert (waiting.taken_by, on.route.depth) == ([], 0)

"""The table of requests: each has one ending, however answers, deadlines, cancels and ends of instances meet."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.messaging.endings import Ending, RequestCounters
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.requests import RequestTable, WaitingRequest
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Message

TARGET = ComponentId("default", "b")
ME = ComponentId("default", "a", "0")


def request(id: str, requester: str = "a", deadline_ms: int = 100) -> WaitingRequest:
    envelope = Envelope(Message(ME, b"", 0), lambda _outcome: None)
    return WaitingRequest(id, requester, TARGET, deadline_ms, deadline_ms, envelope)


def test_a_request_is_taken_out_once_and_by_who_made_it_alone():
    table = RequestTable()
    assert table.register(request("1")) == ""
    assert table.take("1", "somebody else") is None
    assert table.take("1", "a").id == "1"
    assert table.take("1", "a") is None
    assert len(table) == 0


def test_what_is_overdue_is_taken_out_by_deadline_and_the_next_one_is_named():
    table = RequestTable()
    for id, deadline in (("late", 300), ("soon", 10), ("then", 20)):
        table.register(request(id, deadline_ms=deadline))
    assert table.next_deadline_ms() == 10
    assert [one.id for one in table.take_overdue(20)] == ["soon", "then"]
    assert table.next_deadline_ms() == 300
    assert table.take_overdue(299) == []
    table.take("late", "a")
    assert table.next_deadline_ms() is None


def test_an_asker_may_have_so_many_and_its_unread_answers_count():
    table = RequestTable(per_requester=2)
    table.register(request("1"))
    assert "2 requests of this instance" in table.register(request("2"), unread=1)
    assert table.register(request("2")) == ""
    assert "2 requests of this instance" in table.register(request("3"))
    assert table.register(request("3", requester="b")) == ""
    table.take("1", "a")
    assert table.register(request("4")) == ""


def test_there_may_be_so_many_in_all():
    table = RequestTable(total=1)
    table.register(request("1"))
    assert "and there may be no more" in table.register(request("2", requester="b"))
    assert table.count("b") == 0


def test_what_an_asker_left_is_taken_out_and_nobody_elses():
    table = RequestTable()
    for id, requester in (("1", "a"), ("2", "b"), ("3", "a")):
        table.register(request(id, requester))
    assert [one.id for one in table.take_all("a")] == ["1", "3"]
    assert table.take_all("a") == []
    assert table.count("b") == len(table) == 1


def test_deadlines_of_requests_that_are_over_are_not_kept():
    table = RequestTable()
    for number in range(10_000):
        table.register(request(str(number), deadline_ms=1_000_000))
        table.take(str(number), "a")
    assert len(table._deadlines) < 200


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_is_counted_as_itself(ending):
    counters = RequestCounters()
    counters.count(ending)
    assert getattr(counters, ending.name.lower()) == 1
    assert counters.answered + counters.failed + counters.timed_out + counters.cancelled == 1


steps = st.one_of(
    st.tuples(st.just("register"), st.integers(0, 2), st.integers(0, 50)),
    st.tuples(st.just("take"), st.integers(0, 2), st.integers(0, 30)),
    st.tuples(st.just("time"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("end"), st.integers(0, 2), st.just(0)),
)


@given(st.lists(steps, max_size=80))
def test_whatever_happens_each_request_leaves_the_table_once(history):
    table, left, made, now = RequestTable(per_requester=5, total=8), Counter(), [], 0
    for step, number, more in history:
        if step == "register":
            one = request(str(len(made)), f"requester {number}", now + more)
            if not table.register(one):
                made.append(one)
        elif step == "take":
            found = table.take(str(more), f"requester {number}")
            left.update([] if found is None else [found.id])
        elif step == "time":
            now += number
            overdue = table.take_overdue(now)
            assert all(one.deadline_ms <= now for one in overdue)
            left.update(one.id for one in overdue)
        else:
            left.update(one.id for one in table.take_all(f"requester {number}"))
        assert len(table) == len(made) - len(left)
        following = table.next_deadline_ms()
        assert (following is None) is (len(table) == 0)
    left.update(one.id for one in table.take_overdue(1_000_000))
    assert left == Counter(one.id for one in made)

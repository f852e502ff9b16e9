"""What supervision relies on a guest for; the fake of the simulation and the real runtime's both keep it."""

import threading

import pytest

from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import BadCall, Exited, Health, Mail, Message, Refused, Replied


def message(text: str) -> Message:
    return Message(sender=ComponentId("airs", "client"), payload=text.encode(), timestamp_ns=1)


def mail(*texts: str) -> Mail:
    return Mail(ComponentId("airs", "client"), [text.encode() for text in texts], timestamp_ns=1)


def kind_of(answer):
    assert isinstance(answer, Exited), answer
    return answer.reason.kind


def test_a_message_is_answered_with_a_reply_with_none_or_with_an_error(start):
    guest = start("faulty")
    assert guest.handle(message("echo hello")) == Replied(b"hello")
    assert guest.handle(message("none")) == Replied(None)
    assert guest.handle(message("err broken")) == Refused("runtime-error", "broken")
    assert guest.handle(message("echo still here")) == Replied(b"still here")


def test_an_answer_to_a_request_of_its_own_is_taken_between_messages(start):
    guest = start("faulty")
    assert guest.handle_callback(message("echo answer")) == Replied(None)
    assert guest.handle(message("echo still here")) == Replied(b"still here")
    ended = guest.handle(message("trap"))
    assert guest.handle_callback(message("echo answer")) == ended


def test_mail_is_handled_in_order_and_each_of_it_ends_as_it_would_alone(start):
    guest = start("faulty")
    handled = guest.handle_many([mail("echo hello", "none", "err broken"), mail("echo again")])
    assert handled.exited is None
    assert [type(outcome) for outcome in handled.outcomes] == [Replied, Replied, Refused, Replied]
    assert handled.outcomes[2] == Refused("runtime-error", "broken")
    assert guest.handle(message("echo still here")) == Replied(b"still here")


def test_of_mail_that_ends_the_instance_is_known_what_it_was_given(start):
    guest = start("faulty")
    handled = guest.handle_many([mail("none", "err broken"), mail("trap", "none"), mail("none")])
    assert kind_of(handled.exited) is ExitKind.TRAPPED
    assert handled.outcomes == [Replied(None), Refused("runtime-error", "broken"), handled.exited]
    assert guest.handle(message("echo more")) == handled.exited


@pytest.mark.parametrize(("order", "kind"), [("trap", ExitKind.TRAPPED), ("loop", ExitKind.OUT_OF_FUEL)])
def test_what_ends_the_instance_is_an_exit_and_everything_after_it_answers_the_same(start, order, kind):
    guest = start("faulty")
    exited = guest.handle(message(order))
    assert kind_of(exited) is kind
    assert guest.handle(message("echo more")) == exited
    assert guest.health() == exited
    assert guest.shutdown() == exited


def test_a_call_that_waits_past_its_deadline_ends_the_instance(start):
    assert kind_of(start("faulty", timeout_ms=50).handle(message("sleep 60000"))) is ExitKind.DEADLINE


def test_an_initialize_that_fails_is_an_exit_instead_of_a_guest(start):
    assert kind_of(start("faulty-init")) is ExitKind.INITIALIZE_FAILED


def test_health_is_what_the_guest_says(start):
    assert start("unhealthy").health() is Health.UNHEALTHY
    guest = start("faulty")
    assert guest.health(1_000) is Health.HEALTHY
    guest.handle(message("health degraded"))
    assert guest.health() is Health.DEGRADED


def test_calling_what_is_not_there_is_the_callers_fault_and_harms_nobody(start):
    guest = start("faulty")
    assert isinstance(guest.call("no-such-function", []), BadCall)
    assert guest.handle(message("echo fine")) == Replied(b"fine")


def test_an_interrupted_guest_ends_as_killed(start):
    guest = start("faulty")
    guest.interrupt()
    assert kind_of(guest.handle(message("echo too late"))) is ExitKind.KILLED


def test_a_guest_says_goodbye_without_an_exit_and_may_be_closed_twice(start):
    guest = start("faulty")
    assert guest.shutdown() is None
    guest.close()
    guest.close()


def test_a_closed_guest_runs_nothing_more_whatever_it_is_asked(start):
    guest = start("faulty")
    guest.close()
    guest.interrupt()
    assert kind_of(guest.handle(message("echo more"))) is ExitKind.KILLED
    assert kind_of(guest.health()) is ExitKind.KILLED
    assert kind_of(guest.shutdown()) is ExitKind.KILLED


def test_a_guest_that_has_exited_may_be_interrupted_and_closed(start):
    guest = start("faulty")
    exited = guest.handle(message("trap"))
    guest.interrupt()
    guest.close()
    assert guest.handle(message("echo more")) == exited


def test_an_interruption_ends_what_comes_next_whichever_call_it_is(start):
    for ask in ("health", "shutdown"):
        guest = start("faulty")
        guest.interrupt()
        assert kind_of(getattr(guest, ask)()) is ExitKind.KILLED
        assert kind_of(guest.handle(message("echo more"))) is ExitKind.KILLED


def test_guests_of_one_component_share_nothing(start):
    one, other = start("faulty"), start("faulty")
    assert kind_of(one.handle(message("trap"))) is ExitKind.TRAPPED
    assert other.handle(message("echo alive")) == Replied(b"alive")


def test_a_guest_may_be_used_from_another_thread_than_it_was_started_on(start):
    guest, answers = start("faulty"), []
    thread = threading.Thread(target=lambda: answers.append(guest.handle(message("echo there"))))
    thread.start()
    thread.join()
    assert answers == [Replied(b"there")]

"""What a deployment sends to itself has a share of its mailbox, and never keeps others out of it."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from orchestrator.messaging.mailbox.batch import Batch, Parcel
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Handled, Mail, Message, Undelivered
from orchestrator.model.spec import Mailbox, WhenFull

from .clock import TestClock

KEY = DeploymentKey(namespace="default", name="one")
ITSELF, OTHER = ComponentId("default", "one", "abc-0"), ComponentId("default", "other", "abc-0")
CAPACITY, SHARE = 10, 5
OWN_IS_FULL = "already has 5 messages to itself waiting, which may have 5 places of its 10"


def route(when_full: WhenFull = WhenFull.REJECT, capacity: int = CAPACITY) -> Route:
    """A mailbox that nobody takes from."""
    return Route(KEY, Mailbox(capacity=capacity, when_full=when_full), TestClock())


def post(to: Route, sender: ComponentId, count: int = 1, *, may_wait: bool = False) -> tuple[int, Undelivered | None]:
    mail = Mail(sender, (b"x",) * count, 0, None)
    return to.post(Parcel(mail, lambda _first, _outcomes: None, may_wait=may_wait))


def offer(to: Route, sender: ComponentId) -> Undelivered | None:
    return to.offer(Envelope(Message(sender=sender, payload=b"x", timestamp_ns=0), lambda _outcome: None))


@pytest.mark.parametrize("when_full", WhenFull)
def test_it_has_half_of_the_places_whatever_becomes_of_one_too_many(when_full: WhenFull):
    to = route(when_full)
    assert post(to, ITSELF, 20, may_wait=True)[0] == SHARE
    count, refused = post(to, ITSELF)
    assert count == 0
    assert refused is not None
    assert OWN_IS_FULL in refused.detail
    assert offer(to, ITSELF) == refused
    assert post(to, OTHER, SHARE) == (SHARE, None)
    assert to.depth == CAPACITY
    assert to.traffic().rejected == 17


def test_it_takes_nobodys_place_where_the_oldest_make_way():
    to = route(WhenFull.DROP_OLDEST)
    post(to, OTHER, CAPACITY)
    assert post(to, ITSELF)[0] == 0
    assert to.traffic().dropped == 0
    post(to, OTHER)
    assert to.traffic().dropped == 1


def test_it_waits_for_nobody_to_make_room_where_others_do():
    to = route(WhenFull.BLOCK)
    assert post(to, OTHER, CAPACITY + 1, may_wait=True)[0] == CAPACITY + 1
    assert post(to, ITSELF, may_wait=True)[0] == 0


def test_a_mailbox_for_one_message_takes_it_from_anybody():
    assert post(route(capacity=1), ITSELF)[0] == 1


def test_a_neighbour_of_the_same_name_in_another_namespace_is_somebody_else():
    assert post(route(), ComponentId("elsewhere", "one", "abc-0"), CAPACITY)[0] == CAPACITY


class Taker:
    """Takes whatever it is given, one at a time."""

    lane, name = "lane", "taker"

    def __init__(self) -> None:
        self.work: list[Envelope | Batch] = []

    def take(self, work: Envelope | Batch) -> None:
        self.work.append(work)


STEPS = st.lists(st.tuples(st.sampled_from(("post", "offer", "take", "withdraw", "refuse", "put back")), st.booleans()))


@given(st.sampled_from(WhenFull), STEPS)
def test_promise_its_share_is_counted_right_whatever_happens(when_full: WhenFull, steps: list[tuple[str, bool]]):
    to, envelopes, taker = route(when_full), [], Taker()
    to.direct({"lane": 100}, hold=False)
    for step, is_own in steps:
        sender = ITSELF if is_own else OTHER
        match step:
            case "post":
                post(to, sender, 3, may_wait=True)
            case "offer":
                envelopes.append(Envelope(Message(sender=sender, payload=b"x", timestamp_ns=0), lambda _outcome: None))
                to.offer(envelopes[-1])
            case "take":
                to.idle(taker)
                to.claim(taker)
            case "withdraw" if envelopes:
                to.withdraw(envelopes.pop())
            case "refuse":
                to.refuse(Undelivered("delivery-failed", "not now"))
                to.refuse(None)
            case "put back" if taker.work and isinstance(taker.work[-1], Batch):
                to.finished_batch(taker, taker.work.pop(), Handled([]))
            case _:
                continue
        queues = to._queues
        waiting = [*queues.held, *(one for lane in queues.lanes.values() for queue in lane.queues() for one in queue)]
        assert queues.own == sum(len(one) for one in waiting if one.is_own)
        assert queues.depth == sum(len(one) for one in waiting)

"""The queue of one receiver: bounded, by subject, and silent about what it was not asked to tell."""

from orchestrator.agent.receivers import QUEUE_MAX, Interest, Receiver
from orchestrator.agent.senders import SendFailed
from orchestrator.model.ids import DeploymentKey
from orchestrator.notify.transitions import Notice, RestingState, Transition, deployment_notice
from orchestrator.store.store import Store
from orchestrator.supervise.timers import SystemClock

FAILED_ALONE = Interest(lambda _: True, frozenset({"deployment-failed"}))
EVERYTHING = Interest(lambda _: True, frozenset(each.value for each in Transition))


class Down:
    """A sender to a server that is down."""

    at_once = 1

    def send(self, notices):
        raise SendFailed("down")


def receiver(store: Store, clock: SystemClock, interest: Interest) -> Receiver:
    return Receiver(("ops", "webhook"), interest, Down(), store.told, 60, clock, lambda *_: None)


def news(name: str, word: Transition, revision: str = "r1") -> Notice:
    key = DeploymentKey("default", name)
    return deployment_notice(key, RestingState(word, revision, "1.0.0", "said"), "shop", "", 0)


def test_more_than_there_is_room_for_is_dropped_the_oldest_first(store, clock):
    made = receiver(store, clock, EVERYTHING)
    made.offer(news(f"d{index}", Transition.READY) for index in range(QUEUE_MAX + 7))
    assert (made.view().waiting, made.view().dropped) == (QUEUE_MAX, 7)
    made.offer([news("d8", Transition.FAILED)])  # a newer state takes the place of the one before
    assert made.view().waiting == QUEUE_MAX


def test_one_who_is_told_of_failures_alone_is_told_of_the_second_one_as_well(store, clock):
    store.told.keep("ops", {news("a", Transition.FAILED).subject: news("a", Transition.FAILED).state})
    made = receiver(store, clock, FAILED_ALONE)
    made.offer([news("a", Transition.FAILED)])
    assert made.view().waiting == 0
    made.offer([news("a", Transition.READY)])
    assert made.view().waiting == 0
    made.offer([news("a", Transition.FAILED)])
    assert made.view().waiting == 1
    made.offer([news("a", Transition.READY)])  # before it could be told
    assert made.view().waiting == 0


def test_a_new_receiver_is_not_told_of_what_has_been_so_for_long(store, clock):
    made = receiver(store, clock, EVERYTHING)
    assert not made.is_known
    made.suppose([news("a", Transition.READY)])
    made.offer([news("a", Transition.READY), news("b", Transition.READY)])
    assert made.view().waiting == 1
    again = receiver(store, clock, EVERYTHING)
    assert again.is_known
    again.offer([news("a", Transition.READY)])
    assert again.view().waiting == 0
    again.keep_only(())
    again.offer([news("a", Transition.READY)])
    assert again.view().waiting == 1

"""All that is kept of a deployment passes to another name in one decision, also for the next process."""

import pytest

from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.who import Act, By, Peer, Verb
from orchestrator.store.decisions import AppendAct, MoveRows
from orchestrator.store.mail import KeptMail
from orchestrator.store.store import Store

from .test_letters import letter

OLD, NEW, ON = (DeploymentKey(namespace="default", name=name) for name in ("name", "renamed", "names"))
MAIL = KeptMail(ComponentId("default", "sender", "0"), b"kept", 1)
ACT = Act(number=1, verb=Verb.RESTART, by=By(peer=Peer(uid=1, user="ada")), at_ms=1, detail="")


def kept_of(store: Store, key: DeploymentKey) -> tuple[object, ...]:
    letters = [store.letters.read(number) for number, _ in store.letters.numbers(key)]
    return (
        store.data.get(key, "k"), store.data.get(key, "k", "owner"), store.data.usage(key).key_count,
        [mail for _, mail in store.mail.read(key)], store.mail.count(key), [each.payload for each in letters if each],
        store.letters.count(key), [act.number for act in store.acts(key)],
    )  # fmt: skip


NOTHING = (None, None, 0, [], 0, [], 0, [])
ALL = (b"v", b"of one", 2, [MAIL], 1, [b"dead"], 1, [1])


@pytest.fixture
def full(store: Store) -> Store:
    store.data.set(OLD, "k", b"v", 1_000)
    store.data.set(OLD, "k", b"of one", 1_000, "owner")
    store.data.set(ON, "k", b"theirs", 1_000)  # whose name only begins alike
    store.mail.keep_once(OLD, MAIL, "id", 1, 1_000)
    store.letters.keep([letter(b"dead", OLD)])
    store.letters.keep([letter(b"theirs", ON)])
    store.decide([AppendAct(key=OLD, act=ACT)])
    return store


def test_everything_passes_to_the_new_name_and_nothing_is_left(state, full):
    full.decide([MoveRows(old=OLD, new=NEW)])
    assert (kept_of(full, OLD), kept_of(full, NEW)) == (NOTHING, ALL)
    assert full.mail.keep_once(NEW, MAIL, "id", 2, 1_000) is None  # it is known to have come
    assert full.mail.keep(NEW, [MAIL]) == 2
    assert full.data.get(ON, "k") == b"theirs"
    assert full.letters.count(ON) == 1
    full.close()
    again = Store.open(state)
    try:
        assert kept_of(again, OLD) == NOTHING
        assert kept_of(again, NEW)[:2] == ALL[:2]
        assert kept_of(again, NEW)[5:] == ALL[5:]
    finally:
        again.close()


def test_there_and_back_is_as_before(full):
    full.decide([MoveRows(old=OLD, new=NEW)])
    full.decide([MoveRows(old=NEW, new=OLD)])
    assert (kept_of(full, OLD), kept_of(full, NEW)) == (ALL, NOTHING)


def test_a_name_with_data_or_messages_of_an_earlier_deployment_is_taken(full):
    assert [full.is_taken(key) for key in (OLD, NEW, ON)] == [True, False, True]

"""Dead letters are kept within bounds, through SIGKILL, and under numbers that are never given twice."""

from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.letter import DeadLetter
from orchestrator.store.letters import ALL_MAX, OF_ONE_MAX, OF_ONE_MAX_BYTES
from orchestrator.store.store import Store

ONE, OTHER = DeploymentKey(namespace="default", name="one"), DeploymentKey(namespace="default", name="other")


def letter(payload: bytes = b"x", key: DeploymentKey = ONE) -> DeadLetter:
    sender = ComponentId("default", "sender", "0")
    return DeadLetter(key=key, sender=sender, payload=payload, sent_ns=1, reason="expired", detail="", at_ms=2)


def numbers(store: Store, key: DeploymentKey | None = None) -> list[int]:
    return [number for number, _ in store.letters.numbers(key)]


def test_letters_are_read_as_they_were_kept_also_by_the_next_process(state, store):
    kept = [letter(b"a"), letter(bytes(range(256)))]
    store.letters.keep(kept)
    store.letters.keep([letter(key=OTHER)])
    store.close()
    again = Store.open(state)
    try:
        assert [again.letters.read(number) for number in numbers(again, ONE)] == kept
        assert again.letters.numbers() == [(1, ONE), (2, ONE), (3, OTHER)]
    finally:
        again.close()


def test_a_number_is_not_given_again_though_its_letter_has_gone(state, store):
    store.letters.keep([letter(), letter()])
    assert store.letters.remove(ONE, [1, 2, 3]) == 2
    store.close()
    again = Store.open(state)
    try:
        again.letters.keep([letter()])
        assert numbers(again) == [3]
    finally:
        again.close()


def test_only_letters_of_the_deployment_that_is_named_are_removed(store):
    store.letters.keep([letter()])
    assert store.letters.remove(OTHER, [1]) == 0
    assert numbers(store) == [1]


def test_of_each_deployment_the_newest_letters_are_kept(store):
    store.letters.keep([letter(key=OTHER)])
    store.letters.keep([letter(b"%d" % number) for number in range(OF_ONE_MAX)])
    store.letters.keep([letter(b"newest")])
    kept = numbers(store, ONE)
    assert len(kept) == OF_ONE_MAX
    assert store.letters.read(kept[0]).payload == b"1"
    assert store.letters.read(kept[-1]).payload == b"newest"
    assert numbers(store, OTHER) == [1]


def test_many_at_once_are_kept_from_the_end(store):
    store.letters.keep([letter(b"%d" % number) for number in range(OF_ONE_MAX + 5)])
    assert store.letters.read(numbers(store)[0]).payload == b"5"


def test_big_letters_are_bounded_by_their_size_and_leave_nothing_behind(store):
    size = 1 << 20
    for _ in range(OF_ONE_MAX_BYTES // size + 4):
        store.letters.keep([letter(bytes(size))])
    kept = numbers(store)
    assert len(kept) == OF_ONE_MAX_BYTES // size - 1  # a letter weighs more than its payload
    assert store.letters.read(kept[0] - 1) is None


def test_of_all_deployments_together_the_newest_letters_are_kept(store):
    keys = [DeploymentKey(namespace="default", name=f"n{number}") for number in range(ALL_MAX // OF_ONE_MAX + 1)]
    for key in keys:
        store.letters.keep([letter(key=key)] * OF_ONE_MAX)
    assert len(numbers(store)) == ALL_MAX
    assert numbers(store, keys[0]) == []
    assert len(numbers(store, keys[-1])) == OF_ONE_MAX


def test_a_letter_is_replaced_unless_it_has_gone(store):
    store.letters.keep([letter()])
    store.letters.replace(1, letter(b"again"))
    store.letters.replace(2, letter(b"never"))
    assert store.letters.read(1).payload == b"again"
    assert numbers(store) == [1]
    assert store.letters.read(2) is None

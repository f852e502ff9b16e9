"""Who subscribes to what: the trie agrees with matching one by one, and nobody is subscribed to what they may not."""

import threading

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orchestrator.messaging.topics import PATTERNS_MAX, REMEMBERED_MAX, Subscriber, Subscription, Topics, Trie
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.patterns.topic import covers_any, matches
from tests.patterns.test_topic import PATTERNS, TOPICS

KEYS = [DeploymentKey(namespace="default", name=name) for name in ("a", "b", "c")]
ONE = KEYS[0]


def anything(_pattern: str) -> bool:
    return True


def instance(key: DeploymentKey = ONE, name: str = "0", granted=anything) -> Subscriber:
    return Subscriber(ComponentId(key.namespace, key.name, name), granted)


@given(st.lists(st.tuples(PATTERNS, st.sampled_from(KEYS)), max_size=12), st.lists(TOPICS, max_size=12))
def test_the_trie_finds_whom_matching_each_pattern_finds(subscribed, topics):
    trie = Trie()
    for pattern, key in subscribed:
        trie.add(pattern, key)
    for topic in topics:
        assert trie.matching(topic) == {key for pattern, key in subscribed if matches(pattern, topic)}


@given(st.lists(st.tuples(PATTERNS, st.sampled_from(KEYS)), max_size=12), st.data())
def test_what_is_taken_out_of_the_trie_leaves_no_trace(subscribed, data):
    trie = Trie()
    for pattern, key in subscribed:
        trie.add(pattern, key)
    for pattern, key in data.draw(st.permutations(subscribed)):
        trie.remove(pattern, key)
    assert trie.is_empty


class Subscriptions(RuleBasedStateMachine):
    """Instances that come, subscribe, lose grants and go, beside a model that looks at everything anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.topics = Topics()
        self.grants = {key: ["**"] for key in KEYS}
        self.declared: dict[DeploymentKey, list[str]] = {}
        self.living: list[tuple[Subscriber, set[str]]] = []

    def granted(self, key: DeploymentKey):
        return lambda pattern: covers_any(self.grants[key], pattern)

    @rule(key=st.sampled_from(KEYS), patterns=st.lists(PATTERNS, max_size=3))
    def declare(self, key, patterns):
        self.topics.declare(key, patterns, self.granted(key))
        self.declared[key] = patterns

    @rule(key=st.sampled_from(KEYS), patterns=st.lists(PATTERNS, max_size=2))
    def grant(self, key, patterns):
        self.grants[key] = patterns
        self.topics.look_anew(key)

    @rule(key=st.sampled_from(KEYS))
    def come(self, key):
        self.living.append((instance(key, str(len(self.living)), self.granted(key)), set()))

    @rule(data=st.data(), pattern=PATTERNS)
    def subscribe(self, data, pattern):
        if self.living:
            one, mine = data.draw(st.sampled_from(self.living))
            why = self.topics.subscribe(one, pattern)
            assert bool(why) is not covers_any(self.grants[one.id.deployment], pattern)
            mine |= set() if why else {pattern}

    @rule(data=st.data())
    def unsubscribe(self, data):
        if self.living:
            one, mine = data.draw(st.sampled_from(self.living))
            pattern = data.draw(st.sampled_from(sorted(mine) or ["a"]))
            assert self.topics.unsubscribe(one, pattern) is (pattern in mine)
            mine.discard(pattern)

    @rule(data=st.data())
    def leave(self, data):
        if self.living:
            one = data.draw(st.sampled_from(self.living))
            self.living.remove(one)
            self.topics.leave(one[0])
            assert self.topics.subscribe(one[0], "a") == "the instance is ending"

    @rule(key=st.sampled_from(KEYS))
    def drop(self, key):
        self.topics.drop(key)
        self.declared.pop(key, None)
        for one, mine in self.living:
            if one.id.deployment == key:
                mine.clear()

    @invariant()
    def everybody_gets_what_they_subscribe_to_and_may(self):
        patterns = {(key, p) for key, declared in self.declared.items() for p in declared}
        patterns |= {(one.id.deployment, p) for one, mine in self.living for p in mine}
        force = {(key, p) for key, p in patterns if covers_any(self.grants[key], p)}
        for topic in ("a", "b", "a.b", "ab.a", "a.b.ab"):
            assert self.topics.matching(topic) == tuple(sorted({key for key, p in force if matches(p, topic)}))
        assert {(s.key, s.pattern) for s in self.topics.subscriptions()} == patterns
        assert {(s.key, s.pattern) for s in self.topics.subscriptions() if s.in_force} == force


TestSubscriptions = Subscriptions.TestCase
TestSubscriptions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_an_instance_subscribes_to_so_many_patterns_and_no_more():
    topics, one = Topics(), instance()
    assert [topics.subscribe(one, f"a.b{n}") for n in range(PATTERNS_MAX)] == [""] * PATTERNS_MAX
    assert topics.subscribe(one, "a.b0") == ""
    assert "at most 64 patterns" in topics.subscribe(one, "one.more")
    assert topics.unsubscribe(one, "a.b0")
    assert topics.subscribe(one, "one.more") == ""


def test_two_lives_of_one_name_are_two_subscribers():
    topics, old, new = Topics(), instance(), instance()
    topics.subscribe(old, "a")
    topics.subscribe(new, "a")
    topics.leave(old)
    assert topics.matching("a") == (ONE,)
    topics.leave(new)
    assert topics.matching("a") == ()


def test_whoever_publishes_on_ever_more_topics_takes_no_more_memory():
    topics = Topics()
    topics.declare(ONE, ["**"], anything)
    for number in range(3 * REMEMBERED_MAX):
        assert topics.matching(f"a.{number}") == (ONE,)
    assert len(topics._found) <= REMEMBERED_MAX


def test_a_grant_that_goes_while_an_instance_subscribes_is_not_overlooked():
    """The grant is looked at with the table's lock held: taking it away comes before that or after, never between."""
    topics, may = Topics(), [True]

    def look_anew() -> None:
        topics.look_anew(ONE)

    def granted(_pattern: str) -> bool:
        answer = may[0]
        if answer:  # and now the grant goes, whose loss is looked at as soon as the lock is free
            may[0] = False
            threads.append(threading.Thread(target=look_anew))
            threads[0].start()
        return answer

    threads: list[threading.Thread] = []
    topics.subscribe(instance(granted=granted), "a")
    threads[0].join()
    assert topics.matching("a") == ()
    assert topics.subscriptions() == (Subscription(key=ONE, pattern="a", by="guest", instance="0", in_force=False),)


def test_threads_that_publish_see_no_half_of_a_change():
    topics, ended, wrong = Topics(), threading.Event(), []
    topics.declare(ONE, ["a.*"], anything)

    def publish() -> None:
        while not ended.is_set():
            wrong.extend(found for n in range(50) if (found := topics.matching(f"a.x{n}"))[:1] != (ONE,))

    threads = [threading.Thread(target=publish) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        one = instance(KEYS[1], str(number))
        topics.subscribe(one, "a.**")
        topics.leave(one)
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert topics.matching("a.x1") == (ONE,)


@pytest.mark.parametrize("by", ["manifest", "guest"])
def test_who_subscribes_is_told_apart(by):
    topics = Topics()
    if by == "manifest":
        topics.declare(ONE, ["a.*"], anything)
    else:
        topics.subscribe(instance(), "a.*")
    (seen,) = topics.subscriptions()
    assert (seen.by, seen.instance) == (by, "" if by == "manifest" else "0")

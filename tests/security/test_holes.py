"""What a matcher must not let through, though a careless one would: beginnings of names, ways upwards, ends of hosts,
other people's names. Each is tried where a manifest asks for it, where it is granted, and where a guest asks.
"""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.host.context import GuestContext
from orchestrator.host.messaging import may_reach
from orchestrator.host.pubsub import may_publish_on
from orchestrator.manifest import resolve
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.spec import Grant, Limits, Revision
from orchestrator.patterns.folders import forbidden_by, is_within
from orchestrator.security.grants import given_at_start, may_publish, may_send, may_subscribe
from tests.manifest.samples import TOML, deployment, said, snapshot
from tests.patterns.test_topic import PATTERNS, TOPICS

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=6)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


def granting(capability: str, *patterns: str) -> tuple[Grant, ...]:
    return (Grant(capability=capability, patterns=patterns),)


def guest(sender: ComponentId, *grants: Grant) -> GuestContext:
    revision = Revision(
        id="0", component="", version="", artifact="", stateful=False, config="", grants=grants,
        limits=Limits(memory_bytes=1, fuel=1, timeout_ms=1),
    )  # fmt: skip
    return GuestContext(sender, revision, lambda: None, lambda *_: None)


# ---- the beginning of a name is not the name ----


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [
        ("/data", "/data", True),
        ("/data", "/data/x", True),
        ("/data", "/database/x", False),
        ("/data", "/dat", False),
        ("/data/", "/data/x", True),
        ("/", "/data", True),
    ],
)
def test_a_directory_holds_what_lies_in_it_and_nothing_that_only_begins_like_it(folder, path, expected):
    assert is_within(path, folder) is expected


@given(PATHS, NAMES)
def test_no_name_that_goes_on_lies_in_a_directory(path, more):
    assert not is_within(path + more, path)
    assert is_within(f"{path}/{more}", path)


@given(NAMES, NAMES, NAMES)
def test_no_deployment_is_reached_by_the_beginning_of_its_name(namespace, name, more):
    sender = DeploymentKey(namespace=namespace, name="sender")
    target = DeploymentKey(namespace=namespace, name=name + more)
    assert not may_send(granting("messaging.send", name), sender, target)
    assert not may_send(granting("messaging.send", f"{namespace}/{name}"), sender, target)
    longer = DeploymentKey(namespace=namespace + more, name=name)
    assert not may_send(granting("messaging.send", f"{namespace}/*"), sender, longer)


@given(TOPICS, NAMES)
def test_no_topic_is_opened_by_the_beginning_of_its_name(topic, more):
    for decide in (may_publish, may_subscribe):
        capability = f"messaging.{decide.__name__.removeprefix('may_')}"
        assert not decide(granting(capability, topic), topic + more)
        assert not decide(granting(capability, f"{topic}.*"), f"{topic}{more}.x")
        assert not decide(granting(capability, f"{topic}.**"), f"{topic}{more}.x.y")
        assert decide(granting(capability, f"{topic}.**"), f"{topic}.{more}")


# ---- a way upwards is no way ----

ASKS = TOML.replace(
    'messaging.send = ["ledger", "billing/*"]',
    'filesystem.read = ["/data/**"]\nmessaging.publish = ["data.*"]\nmessaging.subscribe = ["data.*"]\n'
    'network.connect = ["*.example.com:443"]',
)


@pytest.mark.parametrize(
    ("grants", "says"),
    [
        ('filesystem.read: ["/data/../etc/**"]', "which is not a whole directory"),
        ('filesystem.read: ["/data/./x/**"]', "which is not a whole directory"),
        ('filesystem.read: ["/data/..", "/x"]', "which is not a whole directory"),
        ('filesystem.read: ["/database/**"]', "does not ask for"),
        ('messaging.publish: ["data..x"]', "which is not a topic"),
        ('messaging.publish: ["../x"]', "which is not a topic"),
        ('messaging.publish: ["database.x"]', "does not ask for"),
        ('messaging.publish: ["data.**"]', "does not ask for"),
        ('messaging.subscribe: ["**"]', "does not ask for"),
        ('messaging.send: ["../ledger"]', "which is not a deployment"),
        ('network.connect: ["evilexample.com:443"]', "does not ask for"),
        ('network.connect: ["example.com.evil:443"]', "does not ask for"),
        ('network.connect: ["**"]', "does not ask for"),
    ],
)
def test_no_grant_goes_beyond_what_was_asked_for_whichever_way_it_is_written(grants, says):
    lines = said(resolve(snapshot(deployment(spec=f"  grants: {{{grants}}}\n"), ASKS)))
    assert lines
    assert any(says in line for line in lines), lines


@pytest.mark.parametrize("topic", ["data..x", "data.", ".data", "data/../x", "data.*", "**", "data.x\n", "däta.x", ""])
def test_a_guest_publishes_under_nothing_that_could_be_read_in_two_ways_though_it_may_everything(topic):
    assert not may_publish_on(guest(ComponentId("a", "b", "0"), *granting("messaging.publish", "**")), topic)


def test_what_leads_out_through_a_link_is_forbidden_by_where_it_leads():
    assert forbidden_by("/etc/ssh") is not None
    assert forbidden_by("/etc/sshx") is None


# ---- a grant is its holder's ----


@given(NAMES, NAMES, NAMES)
def test_a_bare_name_is_one_of_the_senders_own_namespace_and_the_sender_is_whom_the_host_knows(home, away, name):
    assume(home != away)
    grants = granting("messaging.send", name)
    here, there = DeploymentKey(namespace=home, name=name), DeploymentKey(namespace=away, name=name)
    one, other = guest(ComponentId(home, "x", "0"), *grants), guest(ComponentId(away, "x", "0"), *grants)
    assert (may_reach(one, here), may_reach(one, there)) == (True, False)
    assert (may_reach(other, here), may_reach(other, there)) == (False, True)


def test_what_one_was_granted_another_was_not():
    may = guest(ComponentId("a", "b", "0"), *granting("messaging.publish", "x"))
    may_not = guest(ComponentId("a", "c", "0"))
    assert [may_publish_on(one, "x") for one in (may, may_not, may, may_not)] == [True, False, True, False]


# ---- two grant lists, two decisions ----


@given(PATTERNS, PATTERNS, TOPICS)
def test_to_subscribe_is_to_be_allowed_everything_that_could_come(granted, wanted, topic):
    """What a subscription brings, its holder might have subscribed to topic by topic."""
    grants = granting("messaging.subscribe", granted)
    if may_subscribe(grants, wanted) and may_subscribe(granting("messaging.subscribe", wanted), topic):
        assert may_subscribe(grants, topic)


@given(st.lists(PATHS, max_size=4), st.lists(PATHS, max_size=4))
def test_no_directory_is_handed_over_that_both_lists_do_not_hold(some, others):
    lists = [granting("filesystem.read", *(f"{path}/**" for path in paths)) for paths in (some, others)]
    for folder in given_at_start(lists).readable:
        assert any(is_within(folder, path) for path in some)
        assert any(is_within(folder, path) for path in others)

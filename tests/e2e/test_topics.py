"""Publishing and subscribing: who gets what, who may, what a full mailbox and a rate limit do, what is seen of it."""

import json
import shutil

import pytest

from orchestrator.contract.codes import FAILED, INVALID, USAGE

from .stage import Stage, wait_until
from .test_mailboxes import LONG, busy, letters, logged

PUBLISHES, SUBSCRIBES = "messaging.publish", "messaging.subscribe"


def subscriber(stage: Stage, name: str, *patterns: str, **spec) -> None:
    """Write a deployment that subscribes by its manifest to all that it may."""
    grants = {SUBSCRIBES: list(patterns), **spec.pop("grants", {})}
    stage.write(name, "faulty", grants=grants, subscribe=list(patterns), **spec)


def publish(stage: Stage, topic: str, *payload: str) -> int:
    return stage.json("publish", topic, *(payload or ("heard it",)))["deployments"]


def subscriptions(stage: Stage, *name: str) -> list[tuple]:
    found = stage.json("get", "subscriptions", *name)
    return [(s["deployment"], s["pattern"], s["by"], s["inForce"]) for s in found]


def test_what_is_published_comes_once_to_each_deployment_that_subscribes_whatever_its_patterns(stage: Stage):
    subscriber(stage, "exact", "orders.new")
    subscriber(stage, "one", "orders.*", "*.new", "orders.**", replicas=3)
    subscriber(stage, "rest", "orders.**")
    subscriber(stage, "other", "invoices.**")
    stage.apply()
    assert publish(stage, "orders.new", "heard 1") == 3
    assert publish(stage, "orders.eu.new", "heard 2") == 2
    assert publish(stage, "order.new", "heard 3") == 1
    assert publish(stage, "news", "heard 4") == 0
    wait_until(lambda: [len(logged(stage, name)) for name in ("exact", "one", "rest", "other")] == [1, 3, 2, 0])
    assert logged(stage, "exact") == ["orders.new: 1"]
    assert sorted(logged(stage, "one")) == ["order.new: 3", "orders.eu.new: 2", "orders.new: 1"]
    assert logged(stage, "rest") == ["orders.new: 1", "orders.eu.new: 2"]
    assert "nobody subscribes" in stage.run("publish", "news", "x").err


def test_a_guest_publishes_what_it_was_granted_and_is_who_the_host_says_it_is(stage: Stage):
    stage.write("source", "faulty", grants={PUBLISHES: ["orders.*"]})
    subscriber(stage, "sink", "**")
    stage.apply()
    assert stage.ask("source", "publish orders.new message") == "1"
    assert stage.ask("source", "publish orders.new heard it") == "1"
    wait_until(lambda: logged(stage, "sink") == ["orders.new: it"])
    for topic in ("orders", "orders.new.eu", "ordersx.new", "invoices.new"):
        denied = stage.ask("source", f"publish {topic} x")
        assert (
            denied
            == f"error: delivery-failed: capability denied: default/source was not granted {PUBLISHES}: [{topic}]"
        )
    for topic in ("orders..new", "orders.*", "../orders.new", "orders.new."):
        assert stage.ask("source", f"publish {topic} x").startswith("error: invalid-message: ")
    assert stage.view("sink").traffic.received == 2


def test_the_topic_is_known_while_a_published_message_is_handled_and_at_no_other_time(stage: Stage):
    subscriber(stage, "one", "a.**", mailbox={"batch": 16})
    stage.apply()
    busy(stage, "one", "sleep 300")
    for topic in ("a.b", "a.b", "a.c"):
        publish(stage, topic, "heard x")
    stage.run("send", "one", "heard y")
    publish(stage, "a.b", "heard z")
    wait_until(lambda: len(logged(stage, "one")) == 5)
    assert logged(stage, "one") == ["a.b: x", "a.b: x", "a.c: x", "none: y", "a.b: z"]
    assert stage.ask("one", "topic") == "none"


def test_a_guest_subscribes_and_unsubscribes_within_its_grant(stage: Stage):
    stage.have("one", "faulty", grants={SUBSCRIBES: ["orders.*"]})
    assert stage.ask("one", "unsubscribe orders.new").startswith("error: delivery-failed: this instance does not")
    assert stage.ask("one", "subscribe orders.new") == "subscribed"
    assert stage.ask("one", "subscribe orders.new") == "subscribed"
    assert subscriptions(stage) == [("one", "orders.new", "guest", True)]
    (seen,) = stage.json("get", "subscriptions", "one")
    assert seen["instance"] == stage.view("one").instances[0].name
    for pattern in ("**", "orders.**", "*.new"):
        assert f"not granted {SUBSCRIBES}: [{pattern}]" in stage.ask("one", f"subscribe {pattern}")
    assert stage.ask("one", "subscribe orders.**.x").startswith("error: invalid-message: ")
    assert publish(stage, "orders.new", "heard it") == 1
    assert stage.ask("one", "unsubscribe orders.new") == "unsubscribed"
    assert publish(stage, "orders.new", "heard more") == 0
    wait_until(lambda: logged(stage, "one") == ["orders.new: it"])
    assert "No subscriptions." in stage.run("get", "subscriptions").out


def test_what_an_instance_subscribed_to_ends_with_it_and_what_it_does_in_initialize_comes_back(stage: Stage):
    again = {"backoff": {"initial": "1ms"}, "intensity": 100}
    grants = {SUBSCRIBES: ["a", "b"]}
    stage.have("one", "faulty", grants=grants, restart=again, config={"initialize": "subscribe a"})
    assert stage.ask("one", "subscribe b") == "subscribed"
    assert [pattern for _, pattern, _, _ in subscriptions(stage)] == ["a", "b"]
    stage.run("request", "one", "trap", code=FAILED)
    wait_until(lambda: [pattern for _, pattern, _, _ in subscriptions(stage)] == ["a"])
    wait_until(lambda: stage.view("one").phase == "running")
    assert publish(stage, "b") == 0
    assert publish(stage, "a") == 1
    stage.run("delete", "one")
    wait_until(lambda: subscriptions(stage) == [])


def test_a_grant_that_is_taken_away_ends_at_once_what_runs_by_it_and_one_that_comes_back_revives_it(stage: Stage):
    both = {SUBSCRIBES: ["orders.*"], PUBLISHES: ["orders.*"]}
    stage.have("one", "faulty", grants=both, rollout={"progressDeadline": "1h"})
    assert stage.ask("one", "subscribe orders.new") == "subscribed"
    assert stage.ask("one", "publish orders.new heard 1") == "1"
    # The next revision never becomes Ready, so that what runs is what ran before.
    stage.write("one", "unhealthy", grants={}, rollout={"progressDeadline": "1h"})
    stage.apply("--no-wait")
    wait_until(lambda: subscriptions(stage) == [("one", "orders.new", "guest", False)])
    assert "not granted" in stage.run("get", "subscriptions").out
    assert publish(stage, "orders.new") == 0
    assert "capability denied" in stage.ask("one", "publish orders.new heard 2")
    assert "capability denied" in stage.ask("one", "subscribe orders.old")
    stage.write("one", "faulty", grants=both, rollout={"progressDeadline": "1h"})
    stage.apply()
    assert ("one", "orders.new", "guest", True) in subscriptions(stage)
    assert publish(stage, "orders.new", "heard 3") == 1


def test_a_full_mailbox_keeps_nobody_else_from_getting_it_and_is_a_dead_letter_with_its_topic(stage: Stage):
    subscriber(stage, "full", "news", mailbox={"capacity": 1, "whenFull": "block"})
    subscriber(stage, "idle", "news")
    stage.apply()
    busy(stage, "full", LONG)
    assert publish(stage, "news", "heard 1") == 2
    published = stage.run("publish", "news", "heard 2")
    assert "queued by 1 of 2 deployments" in published.err
    wait_until(lambda: logged(stage, "idle") == ["news: 1", "news: 2"])
    (letter,) = letters(stage)
    assert (letter["deployment"], letter["reason"], letter["topic"]) == ("full", "queue-full", "news")
    traffic = stage.view("full").traffic
    assert (traffic.rejected, traffic.dead_letters) == (1, 1)
    stage.run("delete", "full", "--no-wait")


def test_a_dead_letter_is_sent_again_under_its_topic_to_its_deployment_alone(stage: Stage):
    subscriber(stage, "one", "news", mailbox={"capacity": 1, "whenFull": "drop-oldest"})
    subscriber(stage, "other", "news")
    stage.apply()
    busy(stage, "one", "sleep 1500")
    publish(stage, "news", "heard 1")
    publish(stage, "news", "heard 2")
    wait_until(lambda: logged(stage, "one") == ["news: 2"])
    stage.run("replay", "one")
    wait_until(lambda: logged(stage, "one") == ["news: 2", "news: 1"])
    assert logged(stage, "other") == ["news: 1", "news: 2"]


def test_a_subscriber_that_wants_each_message_at_least_once_gets_it_after_a_kill_with_its_topic(stage: Stage):
    subscriber(stage, "one", "news.*", delivery="at-least-once")
    stage.apply()
    busy(stage, "one", LONG)
    assert publish(stage, "news.late", "heard it") == 1
    stage.kill()
    stage.start()
    wait_until(lambda: "news.late: it" in logged(stage, "one"))


def test_a_publication_is_written_as_any_message_and_names_its_codec_where_all_who_hear_of_it_know_one(stage: Stage):
    for name in ("one", "two"):
        subscriber(stage, name, "news")
    toml = stage.folder / "components" / "faulty" / "Component.toml"
    plain = toml.read_text()
    toml.write_text(f'{plain}\n[codec]\naccepts = ["json"]\n')
    stage.apply()
    assert publish(stage, "news", "--json", '"x"') == 2
    taken = stage.run("publish", "news", "--cbor", "[1]")
    assert "queued by 0 of 2 deployments" in taken.err
    reasons = ("runtime-error", "invalid-message")  # the guest's, who was given JSON, and airs' own
    wait_until(
        lambda: (
            {(one["deployment"], one["reason"]) for one in letters(stage)}
            == {(name, reason) for name in ("one", "two") for reason in reasons}
        )
    )
    other = stage.folder / "components" / "unhealthy-not"
    shutil.copytree(toml.parent, other)
    (other / "Component.toml").write_text(plain)
    stage.write("three", "unhealthy-not", grants={SUBSCRIBES: ["news"]}, subscribe=["news"])
    stage.apply()
    assert publish(stage, "news", "--hex", "68 65 61 72 64 20 61") == 3
    assert publish(stage, "news", "--cbor", '"heard"') == 3  # without a prefix, as `three` knows none
    wait_until(lambda: all("news: a" in logged(stage, name) for name in ("one", "two", "three")))
    stage.run("publish", "news", code=USAGE)
    stage.run("publish", "news", "--json", "{", code=USAGE)


def test_what_is_published_has_no_key_where_instances_own_keys(stage: Stage):
    grants = {"storage.read": ["self"], "storage.write": ["self"]}
    subscriber(stage, "one", "news", grants=grants, replicas=2, routing={"policy": "consistent-hash"})
    stage.apply()
    assert publish(stage, "news", "store place published") == 1
    wait_until(lambda: stage.view("one").traffic.handled == 1)
    assert stage.ask("one", "load place") == "published"
    assert stage.ask("default/one/key", "load place") == ""  # nothing


def test_a_conversation_is_followed_through_topics(stage: Stage):
    stage.write("first", "faulty", grants={SUBSCRIBES: ["a"], PUBLISHES: ["b"]}, subscribe=["a"])
    subscriber(stage, "second", "b")
    subscriber(stage, "third", "b")
    stage.apply()
    assert publish(stage, "a", "publish b heard it", "--conversation", "long story") == 1

    def hops() -> list[tuple[str, str, str]]:
        ran = stage.run("-o", "json", "trace", "long story", code=None)
        found = json.loads(ran.out)[0]["hops"] if ran.code == 0 else []
        return [(hop["sender"]["name"], hop["target"]["name"], hop["outcome"]) for hop in found]

    wait_until(lambda: len(hops()) == 3)
    assert sorted(hops()) == [
        ("client", "first", "handled"), ("first", "second", "handled"), ("first", "third", "handled"),
    ]  # fmt: skip


def test_a_manifests_subscriptions_change_in_place_and_outlive_the_agent(stage: Stage):
    grants = {SUBSCRIBES: ["orders.**"]}
    stage.have("one", "faulty", grants=grants, subscribe=["orders.new"])
    before = stage.view("one")
    stage.write("one", "faulty", grants=grants, subscribe=["orders.eu.*", "orders.old"])
    planned = stage.run("plan", str(stage.manifests)).out
    assert "~ default/one" in planned
    assert "subscribe-changed" in planned
    assert "orders.new → orders.eu.*, orders.old" in planned
    stage.apply()
    assert stage.view("one").instances == before.instances
    assert [publish(stage, topic, "echo") for topic in ("orders.new", "orders.eu.new", "orders.old")] == [0, 1, 1]
    stage.kill()
    stage.start()
    wait_until(lambda: subscriptions(stage) == [("one", p, "manifest", True) for p in ("orders.eu.*", "orders.old")])
    wait_until(lambda: stage.view("one").phase == "running")
    stage.have("one", "faulty", grants=grants, subscribe=["orders.old"], suspend=True)
    assert subscriptions(stage) == []


def test_a_manifest_that_subscribes_to_more_than_it_is_granted_is_refused_where_it_says_so(stage: Stage):
    stage.write("one", "faulty", grants={SUBSCRIBES: ["orders.*"]}, subscribe=["orders.new", "orders.**"])
    refused = stage.apply(code=INVALID)
    line = next(
        n for n, text in enumerate((stage.manifests / "one.yaml").read_text().splitlines(), 1) if "orders.**" in text
    )
    assert f"one.yaml:{line}:" in refused.said
    assert "subscribes to `orders.**`, which `spec.grants.messaging.subscribe` does not cover" in refused.said


def test_the_plan_shows_what_is_granted_on_topics(stage: Stage):
    stage.write("one", "faulty", grants={PUBLISHES: ["orders.*"], SUBSCRIBES: ["orders.new"]})
    shown = stage.run("plan", str(stage.manifests)).out
    assert "+ messaging.publish orders.*" in shown
    assert "+ messaging.subscribe orders.new" in shown


def test_a_rate_limit_holds_for_all_that_a_deployments_instances_send_and_is_counted(stage: Stage):
    grants = {PUBLISHES: ["news"], "messaging.send": ["default/sink"]}
    limit = {"messages": 1, "per": "24h", "burst": 4}
    stage.write("source", "faulty", replicas=2, grants=grants, rateLimit=limit)
    subscriber(stage, "sink", "news")
    stage.apply()
    said = [stage.ask("source", order) for order in ("send sink none", "publish news none") * 3]
    over = "error: delivery-failed: rate limit: default/source may send 1 messages in 86400000 ms, 4 at once"
    assert said == ["sent", "1", "sent", "1", over, over]
    assert "capability denied" in stage.ask("source", "publish other none")
    assert stage.view("source").traffic.limited == 2
    assert "2 over its rate limit" in stage.run("status", "source").out
    before = stage.lives("source")
    said = stage.have("source", "faulty", replicas=2, grants=grants, rateLimit={"messages": 1, "per": "1ms"}).said
    assert "rate-limit-changed" in said
    wait_until(lambda: stage.ask("source", "send sink none") == "sent")
    assert stage.lives("source") == before


@pytest.mark.parametrize("topic", ["orders.*", "a..b", "a b", "x" * 300])
def test_what_is_no_topic_is_not_published(stage: Stage, topic: str):
    refused = stage.run("publish", topic, "x", code=USAGE)
    assert "is not a topic like `orders.eu.new`" in refused.err


def test_subscriptions_are_shown_in_a_table_and_as_their_schema_says(stage: Stage):
    subscriber(stage, "one", "news")
    stage.apply()
    shown = stage.run("get", "subscriptions").out
    assert "default/one" in shown
    assert "manifest" in shown
    assert json.loads(stage.run("-o", "json", "get", "subscriptions", "one").out)[0]["kind"] == "Subscription"

"""What a deployment may publish on and subscribe to, what it does subscribe to, and how much it may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.manifest import resolve
from orchestrator.model.snapshot import Artifact
from orchestrator.model.spec import Grant, RateLimit
from orchestrator.model.world import Drive
from orchestrator.patterns.topic import covers_any, is_pattern
from tests.patterns.test_topic import PATTERNS

from .samples import DIGEST, TOML, deployment, said, snapshot, world

ASKS = TOML.replace(
    'messaging.send = ["ledger", "billing/*"]',
    'messaging.publish = ["orders.*"]\nmessaging.subscribe = ["orders.**", "news"]',
)
NOT_COVERED = "which `spec.grants.messaging.subscribe` does not cover"


def resolved(spec: str, toml: str = ASKS, drives=frozenset({Drive.ACTOR})):
    return resolve(snapshot(deployment(spec=spec), toml, Artifact(digest=DIGEST, data=b"", world=world(drives=drives))))


def test_what_is_granted_lies_in_the_revision_and_what_is_subscribed_to_does_not():
    plain = resolved('  grants: {messaging.subscribe: ["orders.*"]}\n').desired.deployments[0]
    found = resolved(
        '  grants: {messaging.subscribe: ["orders.*"]}\n  subscribe: [orders.new, orders.b, orders.a]\n'
        "  rateLimit: {messages: 5, per: 2s}\n"
    ).desired.deployments[0]
    assert found.revision == plain.revision
    assert found.revision.grants == (Grant(capability="messaging.subscribe", patterns=("orders.*",)),)
    assert found.subscribe == ("orders.a", "orders.b", "orders.new")
    assert (plain.subscribe, plain.rate_limit) == ((), None)
    assert found.rate_limit == RateLimit(messages=5, burst=5, per_ms=2_000)


REFUSED = {
    "more than was granted": (
        '  grants: {messaging.subscribe: ["orders.*"]}\n  subscribe: [orders.new, orders.**]\n',
        f"7:27: subscribes to `orders.**`, {NOT_COVERED}",
    ),
    "nothing granted": ("  subscribe: [news]\n", f"6:15: subscribes to `news`, {NOT_COVERED}"),
    "granted for publishing": (
        "  grants: {messaging.publish: [orders.new]}\n  subscribe: [orders.new]\n",
        f"7:15: subscribes to `orders.new`, {NOT_COVERED}",
    ),
    "not asked for": (
        "  grants: {messaging.subscribe: [invoices.*]}\n",
        "6:34: grants `messaging.subscribe` on `invoices.*`, which",
    ),
    "more than was asked for": (
        "  grants: {messaging.publish: [orders.**]}\n",
        "6:32: grants `messaging.publish` on `orders.**`, which",
    ),
    "no pattern": ("  subscribe: [orders..new]\n", "6:15: `spec.subscribe[0]` is `orders..new`, which is not a topic"),
    "the rest in the middle": (
        '  subscribe: ["a.**.b"]\n',
        "6:15: `spec.subscribe[0]` is `a.**.b`, which is not a topic",
    ),
    "twice": (
        "  grants: {messaging.subscribe: [news]}\n  subscribe: [news, news]\n",
        "7:21: `news` is in `spec.subscribe` twice",
    ),
    "no messages": ("  rateLimit: {messages: 0}\n", "6:25: `spec.rateLimit.messages` is `0`; at least 1 is allowed"),
    "of nothing": ("  rateLimit: {per: 1s}\n", "6:14: `spec.rateLimit.messages` is missing"),
    "no burst": (
        "  rateLimit: {messages: 1, burst: 0}\n",
        "6:35: `spec.rateLimit.burst` is `0`; at least 1 is allowed",
    ),
}


@pytest.mark.parametrize(("spec", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused_where_it_is_written(spec: str, expected: str):
    (line,) = said(resolved(spec))
    assert line.startswith(f"./manifests/app.yaml:{expected}"), line


def test_a_refusal_says_what_is_granted_and_what_would_do():
    (found,) = resolved('  grants: {messaging.subscribe: ["orders.*"]}\n  subscribe: [orders.**]\n').diagnostics
    assert found.detail == "Granted is `orders.*`."
    assert found.suggestion == "grant it: `messaging.subscribe: [orders.**]`, or subscribe to less"


@pytest.mark.parametrize("drives", [{Drive.CALLABLE}, {Drive.JOB}])
def test_who_takes_no_messages_subscribes_to_nothing(drives):
    spec = "  grants: {messaging.subscribe: [news]}\n  subscribe: [news]\n"
    (line,) = said(resolved(spec, drives=frozenset(drives)))
    assert line.startswith("./manifests/app.yaml:7:")
    assert "takes no messages" in line


@given(st.lists(PATTERNS, max_size=2, unique=True), st.lists(PATTERNS, max_size=2, unique=True), PATTERNS)
def test_a_manifest_is_sound_just_when_each_covers_the_next(asked, granted, wanted):
    toml = TOML.replace('messaging.send = ["ledger", "billing/*"]', f"messaging.subscribe = {quoted(asked)}")
    found = resolved(f"  grants: {{messaging.subscribe: {quoted(granted)}}}\n  subscribe: {quoted([wanted])}\n", toml)
    assert is_pattern(wanted)
    covered = all(covers_any(asked, grant) for grant in granted) and covers_any(granted, wanted)
    assert (found.diagnostics == ()) is covered


def quoted(patterns: list[str]) -> str:
    return "[" + ", ".join(f'"{pattern}"' for pattern in patterns) + "]"

"""The schemas agree with the model's defaults, with the jsonschema library, and with what the code enforces."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.manifest import schema_text
from orchestrator.manifest.check import check
from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.units import duration_ms
from orchestrator.model.ids import DEFAULT_NAMESPACE, NAME_MAX_LENGTH, NAME_PATTERN
from orchestrator.model.job import Schedule
from orchestrator.model.spec import (
    Analysis,
    Backoff,
    Group,
    HealthPolicy,
    Mailbox,
    Priority,
    RateLimit,
    RestartPolicy,
    RolloutPolicy,
    Routing,
)
from tests.manifest.samples import deployment, diagnose

DEPLOYMENT = json.loads(schema_text("deployment"))
VALIDATORS = {kind: Draft202012Validator(json.loads(schema_text(kind))) for kind in ("deployment", "component")}
SPEC = DEPLOYMENT["properties"]["spec"]["properties"]


def default(*path: str):
    place = SPEC
    for name in path[:-1]:
        place = place[name]["properties"]
    return place[path[-1]]["default"]


WITHIN_COMPONENT = {("component", "version"), ("component", "refresh"), ("component", "git", "path")}
DEFAULTS = {
    ("mailbox", "capacity"): Mailbox().capacity,
    ("mailbox", "batch"): Mailbox().batch,
    ("mailbox", "whenFull"): Mailbox().when_full.value,
    ("mailbox", "attempts"): Mailbox().attempts,
    ("mailbox", "dedupe"): Mailbox().dedupe_ms,
    ("delivery",): Mailbox().delivery.value,
    ("priority",): Priority.NORMAL.value,
    ("routing", "policy"): Routing().policy.value,
    ("routing", "by"): Routing().by.value,
    ("rateLimit", "per"): RateLimit(messages=1, burst=1).per_ms,
    ("restart", "type"): RestartPolicy().type.value,
    ("restart", "intensity"): RestartPolicy().intensity,
    ("restart", "period"): RestartPolicy().period_ms,
    ("restart", "backoff", "initial"): Backoff().initial_ms,
    ("restart", "backoff", "factor"): Backoff().factor,
    ("restart", "backoff", "max"): Backoff().max_ms,
    ("restart", "backoff", "jitter"): Backoff().jitter,
    ("group", "strategy"): Group(name="").strategy.value,
    ("group", "intensity"): Group(name="").intensity,
    ("group", "period"): Group(name="").period_ms,
    ("health", "interval"): HealthPolicy().interval_ms,
    ("health", "timeout"): HealthPolicy().timeout_ms,
    ("health", "failureThreshold"): HealthPolicy().failure_threshold,
    ("rollout", "strategy"): RolloutPolicy().strategy.value,
    ("rollout", "progressDeadline"): RolloutPolicy().progress_deadline_ms,
    ("rollout", "keepPrevious"): RolloutPolicy().keep_previous_ms,
    ("rollout", "retain"): RolloutPolicy().retain,
    ("rollout", "analysis", "interval"): Analysis().interval_ms,
    ("rollout", "analysis", "minimumMessages"): Analysis().minimum_messages,
    ("rollout", "analysis", "failureLimit"): Analysis().failure_limit,
    ("rollout", "analysis", "inconclusiveLimit"): Analysis().inconclusive_limit,
    ("rollout", "analysis", "metrics", "errorRate", "max"): Analysis().error_rate_max,
    ("job", "timeZone"): Schedule(cron="@daily").time_zone,
    ("job", "concurrency"): Schedule(cron="@daily").concurrency.value,
    ("job", "missed"): Schedule(cron="@daily").missed.value,
    ("replicas",): 1,
    ("suspend",): False,
}


@pytest.mark.parametrize("path", DEFAULTS, ids=".".join)
def test_a_default_in_the_schema_is_the_models(path):
    written = default(*path)
    is_duration = isinstance(DEFAULTS[path], int) and isinstance(written, str)
    assert (duration_ms(written) if is_duration else written) == DEFAULTS[path]


def leaves(schema: dict, path: tuple[str, ...] = ()):
    for name, part in schema.items():
        if "properties" in part:
            yield from leaves(part["properties"], (*path, name))
        elif "default" in part and part["default"] not in ([], {}):
            yield (*path, name)


def test_no_default_of_the_schema_goes_unchecked():
    assert set(leaves(SPEC)) == {*DEFAULTS, *WITHIN_COMPONENT}


def test_names_are_what_the_model_says_they_are():
    for kind in VALIDATORS:
        name = json.loads(schema_text(kind))["$defs"]["name"]
        assert (name["pattern"], name["maxLength"]) == (NAME_PATTERN, NAME_MAX_LENGTH)
    metadata = DEPLOYMENT["properties"]["metadata"]["properties"]
    assert metadata["namespace"]["default"] == DEFAULT_NAMESPACE


def every_part(schema):
    yield schema
    for child in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from every_part(child)


@pytest.mark.parametrize("kind", VALIDATORS)
def test_a_schema_is_valid_and_closed_everywhere_but_where_it_says_so(kind):
    schema = json.loads(schema_text(kind))
    Draft202012Validator.check_schema(schema)
    for part in every_part(schema):
        if isinstance(part, dict) and part.get("type") == "object":
            assert "additionalProperties" in part or part.get("x-secret")
            assert part.get("description")


GOOD = {
    "apiVersion": "airs.dev/v1",
    "kind": "Deployment",
    "metadata": {"name": "a", "labels": {"team": "core"}},
    "spec": {
        "component": {"path": "x", "version": "^1"},
        "replicas": 2,
        "config": {"a": [1, {"b": None}]},
        "grants": {"storage.read": ["self"], "messaging.send": ["a/*", "b"], "messaging.publish": ["**"]},
        "subscribe": ["orders.*", "orders.eu.**"],
        "rateLimit": {"messages": 10, "per": "5s", "burst": 20},
        "limits": {"memory": "1MiB", "fuel": 5},
        "restart": {"type": "permanent", "backoff": {"factor": 1.5, "max": "3s"}},
        "dependsOn": ["b"],
        "rollout": {"strategy": "canary", "steps": [{"weight": 5}, {"pause": {}}, {"pause": "5s"}]},
        "suspend": False,
    },
}
WORDS = st.sampled_from(["", "a", "A", "self", "5s", "1KiB", "permanent", "weight", "x" * 200, "a/b", "\x1b"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 2000) | st.sampled_from([0.5, 1.5, -1.5, 1e9 + 0.5]) | WORDS
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(WORDS, SCALARS, max_size=3)


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from places(child, (*path, index))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_checker_and_the_jsonschema_library_agree(data):
    document = json.loads(json.dumps(GOOD))
    path = data.draw(st.sampled_from(list(places(GOOD))[1:]))
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    if isinstance(parent, dict) and data.draw(st.booleans()):
        del parent[path[-1]]
        parent[data.draw(WORDS)] = data.draw(VALUES)
    else:
        parent[path[-1]] = data.draw(VALUES)
    (tree,) = read_documents(json.dumps(document).encode()).documents
    assert tree.problems == ()
    ours = check("deployment", tree.root)
    # Ranges of durations and sizes are annotations to others: there we are stricter.
    ours = [p for p in ours if not ("is allowed" in p.summary and p.summary.split("`")[3][-1] in "Bsmh")]
    assert bool(ours) == (not VALIDATORS["deployment"].is_valid(document))


INTEGERS = {
    "replicas": ("  replicas: {}\n", 0, 1000),
    "mailbox.capacity": ("  mailbox: {{capacity: {}}}\n", 1, 100_000),
    "mailbox.attempts": ("  mailbox: {{attempts: {}}}\n", 1, 100),
    "mailbox.batch": ("  mailbox: {{batch: {}}}\n", 1, 1024),
    "restart.intensity": ("  restart: {{intensity: {}}}\n", 0, 1000),
    "group.intensity": ("  group: {{name: g, intensity: {}}}\n", 0, 1000),
    "health.failureThreshold": ("  health: {{failureThreshold: {}}}\n", 1, 100),
    "rollout.retain": ("  rollout: {{retain: {}}}\n", 1, 100),
    "rollout.steps[0].weight": ("  rollout: {{strategy: canary, steps: [{{weight: {}}}]}}\n", 0, 100),
    "limits.fuel": ("  limits: {{fuel: {}}}\n", 1, 50_000_000),
    "limits.log": ("  limits: {{log: {}}}\n", 1, 100),
}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(INTEGERS)), st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 1100))
def test_a_count_is_accepted_exactly_within_its_range(path, number):
    template, low, high = INTEGERS[path]
    found = diagnose(deployment(spec=template.format(number)))
    assert (not found) == (low <= number <= high)
    assert all(f"`spec.{path}`" in line for line in found)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_is_accepted_exactly_within_its_range(count, unit):
    ms = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}[unit]
    found = diagnose(deployment(spec=f"  health: {{timeout: {count}{unit}}}\n"))
    assert (not found) == (1 <= count * ms <= 600_000)


def test_a_pattern_ends_where_the_text_ends():
    # Python's `$` matches before a final newline; a name must not slip through with one.
    assert diagnose(deployment(spec='  dependsOn: ["counter\\n"]\n'))[0].startswith(
        "./manifests/app.yaml:6:15: `spec.dependsOn[0]` is `counter\ufffd`, which is not "
    )

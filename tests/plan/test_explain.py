"""The whole story of one deployment: what is wanted and what runs, why they differ, and the steps of each course."""

import pytest
from msgspec.structs import replace

from orchestrator.model.observed import ObservedDeployment
from orchestrator.model.rollout import RolloutPhase
from orchestrator.model.spec import Job, PauseStep, RolloutPolicy, Routing, RoutingPolicy, Strategy, WeightStep
from orchestrator.plan.explain import explain
from orchestrator.plan.explain_text import explained_lines
from orchestrator.plan.make import make_plan

from .build import by, deployment, desired, hold, key, observed, record, revision, rollout

OLD = deployment()
CANARY = RolloutPolicy(strategy=Strategy.CANARY, steps=(WeightStep(weight=10), PauseStep(), WeightStep(weight=50)))
KEYED = Routing(policy=RoutingPolicy.CONSISTENT_HASH)


def at(version="2.0.0", **fields):
    more = {field: fields.pop(field) for field in ("stateful", "job") if field in fields}
    return deployment(version=version, revision=revision(version, **more), **fields)


def story(wish, there, **of_desired):
    wanted = replace(desired(*([wish] if wish is not None else [])), **of_desired)
    seen = observed(there) if there is not None else observed()
    found = seen.by_key().get(key("hello"))
    return explain(make_plan(wanted, seen), found, key("hello"))


def text(told):
    return "\n".join("".join(segment.text for segment in line) for line in explained_lines(told))


# the wish, what there is, how the story of what will happen begins and goes on, in order
COURSES = [
    pytest.param(OLD, None, ["1 instance of 1.0.0 starts", "Ready", "takes messages"], id="new"),
    pytest.param(deployment(needs=["other"]), None, [], id="blocked"),
    pytest.param(at(suspend=True), None, ["runs nothing while it is suspended"], id="new and suspended"),
    pytest.param(at(job=Job(), replicas=0), None, ["runs once"], id="job"),
    pytest.param(at(replicas=3), OLD, ["3 instances of 2.0.0 start beside 1.0.0", "Ready", "switch to 2.0.0 in one",
                                       "1.0.0 stays warm for 10 min", "if it fails"], id="blue-green"),
    pytest.param(at(rollout=CANARY), OLD, ["beside 1.0.0", "Ready", "a share of the conversations, checked every 5 s",
                                           "10 % of", "`airs rollout promote default/hello`", "50 % of",
                                           "all messages go to 2.0.0", "stays warm", "if it fails"], id="canary"),
    pytest.param(at(stateful=True), OLD, ["messages are held", "1.0.0 finishes", "1 instance of 2.0.0 starts", "Ready",
                                          "messages go to 2.0.0; 1.0.0 stops", "if it fails"], id="stateful"),
    pytest.param(at(stateful=True, routing=KEYED), OLD, ["beside 1.0.0"], id="stateful by keys"),
    pytest.param(at(rollout=by(Strategy.RECREATE)), OLD, ["messages are held", "and stops", "1 instance of 2.0.0",
                                                          "Ready", "messages go to", "if it fails"], id="recreate"),
    pytest.param(replace(OLD, replicas=4), OLD, ["replicas: in force at once"], id="in place"),
    pytest.param(replace(OLD, suspend=True), OLD, ["suspend: in force", "stops every instance"], id="suspended"),
    pytest.param(at(), record(OLD, source=""), ["its record passes to this source"], id="adopted"),
    pytest.param(OLD, OLD, [], id="as wanted"),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "there", "steps"), COURSES)
def test_each_course_is_told_step_by_step(wish, there, steps):
    told = story(wish, there)
    remaining = iter(told.steps)
    assert all(any(part in step for step in remaining) for part in steps), told.steps
    assert bool(told.steps) == bool(steps)


def test_a_removal_says_what_stays():
    told = explain(make_plan(desired(deployment("other")), observed(OLD)), observed(OLD).deployments[0], OLD.key)
    assert told.wanted is None
    assert [*map(str, told.why.split())] == ["removed-from-source"]
    assert "its history and its data stay" in told.steps[-1]


def test_both_sides_are_named_with_their_place_and_state():
    wish, there = at(file="hello.yaml", line=7), record(OLD, wanted=at(), held=hold(at()))
    told = story(wish, there)
    shown = text(told)
    assert (told.wanted.file, told.wanted.line, told.wanted.version) == ("hello.yaml", 7, "2.0.0")
    assert (told.running.version, told.running.held) == ("1.0.0", "rolled back by ops")
    assert told.unblock == ("another revision, or `airs rollout retry default/hello`",)
    assert "nothing is done, as of rolled-back" in shown
    assert "hello.yaml:7" in shown
    assert "held      rolled back by ops" in shown


def test_a_rollout_under_way_is_no_difference():
    there = record(OLD, wanted=at(), rollout=rollout(at(), RolloutPhase.PROGRESSING, OLD.revision.id))
    told = story(at(), there)
    assert told.actions == ()
    assert "the rollout to 2.0.0 is under way" in told.why
    assert told.running.rolling_out == "2.0.0, progressing"


def test_an_invalid_manifest_is_the_reason():
    told = story(None, OLD, invalid=(OLD.key,))
    assert "its manifest has errors" in told.why
    assert explain(make_plan(desired(), observed()), None, OLD.key) is None


def test_another_sources_deployment_is_told_of():
    there = ObservedDeployment(record=record(OLD, source="/elsewhere"))
    told = explain(make_plan(desired(deployment("other")), observed()), there, OLD.key)
    assert told.why == "this source does not want it: it belongs to /elsewhere"

"""What policies make of a plan: everything that would change a deployment is held back, and what runs is left alone."""

import json

import pytest
from msgspec.structs import replace

from orchestrator.decoding import from_json
from orchestrator.model.observed import Barred, ObservedDeployment
from orchestrator.plan.action import ActionKind, Reason
from orchestrator.plan.finding import FindingKind
from orchestrator.plan.make import compare_some, make_plan
from orchestrator.plan.ruled import UNJUDGED, Judging, is_barring, standing_in
from orchestrator.plan.saved import SealedPlan, render_json
from orchestrator.plan.text import render_text
from orchestrator.rollout.standing import leading_to
from tests.policy.values import document, rules

from .build import deployment, desired, observed, record

FORBID = {"sources": ["/nowhere/**"]}


def by(**spec) -> Judging:
    return Judging(rules=rules(document(**spec)), now_ms=1)


def said(plan):
    return [(action.kind.value, *(reason.value for reason in action.reasons)) for action in plan.actions]


OLD, NEW = deployment("a"), deployment("a", version="2.0.0")


@pytest.mark.parametrize(("wanted", "there", "kind"), [
    (NEW, (), "create"), (NEW, (OLD,), "roll-out"), (replace(OLD, replicas=7), (OLD,), "update"),
])  # fmt: skip
def test_nothing_that_a_policy_refuses_is_begun(wanted, there, kind):
    assert said(make_plan(desired(wanted), observed(*there)))[0][0] == kind
    plan = make_plan(desired(wanted), observed(*there), judging=by(**FORBID))
    assert said(plan) == [("blocked", "policy-refused")]
    (action,) = plan.actions
    assert "(p.yaml:" in action.note
    assert plan.summary.blocked == 1


UNBLOCKED = {
    "sources": ({"sources": ["/nowhere/**"]}, "a place that the policy allows, or another rule at p.yaml:"),
    "signers": ({"signers": [{"components": ["*"], "keys": ["ed25519:" + "0" * 32]}]}, "`airs sign`"),
    "limits": ({"limits": {"deployments": 0}}, "fewer replicas"),
}


@pytest.mark.parametrize("rule", UNBLOCKED)
def test_a_blocked_action_names_the_rule_its_place_and_what_would_unblock_it(rule):
    spec, unblock = UNBLOCKED[rule]
    (action,) = make_plan(desired(OLD), observed(), judging=by(**spec)).actions
    (finding,) = action.findings
    assert (finding.kind, finding.blocks, finding.rule) == (FindingKind.RULE, True, rule)
    assert finding.policy in finding.text
    assert finding.place.startswith("p.yaml:")
    assert unblock in finding.unblock


def test_an_action_of_which_nothing_was_found_has_no_such_field():
    plan = make_plan(desired(NEW), observed(OLD))
    assert b'"findings"' not in render_json(plan)
    ruled = make_plan(desired(NEW), observed(OLD), judging=by(**FORBID))
    assert from_json(render_json(ruled), SealedPlan).actions == ruled.actions
    names = {"blocks", "file", "kind", "line", "policy", "rule", "text", "unblock"}
    assert json.loads(render_json(ruled))["actions"][0]["findings"][0].keys() == names


def test_text_says_a_rule_once():
    text = render_text(make_plan(desired(NEW), observed(OLD), judging=by(**FORBID)))
    assert text.count("which policy") == 1
    assert "    unblock " in text


def test_a_plan_says_what_would_have_been_done():
    before = make_plan(desired(NEW), observed(OLD)).actions[0]
    after = make_plan(desired(NEW), observed(OLD), judging=by(**FORBID)).actions[0]
    assert (after.changes, after.capabilities, after.new_version) == (before.changes, before.capabilities, "2.0.0")
    assert after.interrupts == ""


def test_what_runs_is_left_alone_and_may_be_suspended():
    assert said(make_plan(desired(OLD), observed(OLD), judging=by(**FORBID))) == []
    plan = make_plan(desired(replace(OLD, suspend=True)), observed(OLD), judging=by(**FORBID))
    assert [kind for kind, *_ in said(plan)] == ["update"]


def test_a_policy_that_stops_stops_what_runs_and_lets_it_begin_again():
    stop = by(onViolation="stop", **FORBID)
    (action,) = make_plan(desired(OLD), observed(OLD), judging=stop).actions
    assert (action.kind, action.reasons) == (ActionKind.UPDATE, (Reason.POLICY_REFUSED,))
    assert is_barring(action)
    assert action.interrupts == "stops every instance"
    barred = replace(record(OLD), barred=Barred(revision=OLD.revision.id, reason="no", at_ms=1))
    stopped = replace(observed(OLD), deployments=(ObservedDeployment(record=barred, instances=()),))
    assert said(make_plan(desired(OLD), stopped, judging=stop)) == []
    for allows in (by(), UNJUDGED):
        assert said(make_plan(desired(OLD), stopped, judging=allows))[0] == ("update", "policy-allows")
    assert leading_to(barred).suspend is False


def test_a_new_version_that_is_allowed_follows_one_that_was_stopped():
    barred = replace(record(OLD), barred=Barred(revision=OLD.revision.id, reason="no", at_ms=1))
    stopped = replace(observed(OLD), deployments=(ObservedDeployment(record=barred, instances=()),))
    kinds = [kind for kind, *_ in said(make_plan(desired(NEW), stopped, judging=by()))]
    assert kinds == ["update", "roll-out"]


def test_a_partial_plan_is_judged_like_a_whole_one():
    limit = by(limits={"deployments": 2})
    there = observed(deployment("b"), deployment("c"))
    standing = standing_in(seen.record for seen in there.deployments)
    wanted = desired(OLD, deployment("b"), deployment("c"))
    part = compare_some(wanted, [OLD], observed(), standing.keys(), limit, standing)
    assert said(part) == said(make_plan(wanted, there, judging=limit)) == [("blocked", "policy-refused")]


def test_warnings_keep_nothing_from_running():
    plan = make_plan(desired(NEW), observed(OLD), judging=by(mode="development", **FORBID))
    assert [kind for kind, *_ in said(plan)] == ["roll-out"]
    told = [diagnostic.summary for diagnostic in plan.diagnostics]
    assert any("mode development" in summary for summary in told)
    assert any("its component is from" in summary for summary in told)

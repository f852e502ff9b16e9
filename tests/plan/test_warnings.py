"""What a plan warns of, beside its actions."""

import pytest
from msgspec.structs import replace

from orchestrator.model.desired import DesiredState
from orchestrator.model.observed import ObservedDeployment, ObservedState
from orchestrator.model.signed import Signer
from orchestrator.model.spec import Analysis, PauseStep, RolloutPolicy, Strategy, WeightStep
from orchestrator.plan.action import ActionKind
from orchestrator.plan.make import make_plan
from orchestrator.plan.ruled import UNJUDGED, Judging
from tests.plan.build import OTHER_SOURCE, SOURCE, deployment, key, record

STEPS = (WeightStep(weight=20), PauseStep(duration_ms=1_000))
CANARY = RolloutPolicy(strategy=Strategy.CANARY, steps=STEPS, analysis=Analysis(minimum_messages=1_000))


def plan_of(wanted, *seen: ObservedDeployment, judging: Judging = UNJUDGED):
    desired = DesiredState(source=SOURCE, root="/r", root_reason="", deployments=tuple(wanted))
    return make_plan(desired, ObservedState(lineage="l", serial=1, deployments=seen, agent_running=True), (), judging)


def seen(of, per_s=None, **fields) -> ObservedDeployment:
    return ObservedDeployment(record=record(of, **fields), instances=None, messages_per_s=per_s)


def said(plan) -> list[str]:
    return [diagnostic.summary for diagnostic in plan.diagnostics]


def test_an_analysis_that_the_recorded_rate_cannot_conclude_is_warned_of_and_changes_no_action():
    old, new = deployment(), deployment(version="2.0.0", rollout=CANARY)
    plan = plan_of([new], seen(old, per_s=0.5))
    assert said(plan) == ["the analysis of default/hello is likely to wait for a person: too few messages come"]
    assert "It had 0.5 messages a second lately" in plan.diagnostics[0].detail
    for quiet in (seen(old, per_s=None), seen(old, per_s=100.0)):
        other = plan_of([new], quiet)
        assert (said(other), other.actions) == ([], plan.actions)


def test_nothing_is_said_of_analyses_that_nobody_will_make():
    old = deployment()
    for new in (
        deployment(version="2.0.0"), deployment(rollout=CANARY),
        deployment(rollout=CANARY, revision=replace(deployment(version="2.0.0").revision, id="s", stateful=True)),
    ):  # fmt: skip
        assert said(plan_of([new], seen(old, per_s=0.1))) == []


def test_the_removal_of_what_others_depend_on_says_so_whoever_they_belong_to():
    base, top = deployment("base"), deployment("top", needs=["base"])
    for others in ([top], []):
        stays = seen(top, source=SOURCE if others else OTHER_SOURCE)
        plan = plan_of([*others, deployment("third")], seen(base), stays, seen(deployment("third")))
        removed = [action for action in plan.actions if action.kind is ActionKind.REMOVE]
        assert [(action.key, action.note) for action in removed] == [(key("base"), "still needed by default/top")]


NOW_MS, DAY_MS = 1_800_000_000_000, 86_400_000  # 2027-01-15


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([], ""),
        ([0], ""),
        ([31 * DAY_MS], ""),
        ([30 * DAY_MS], "expires soon, on 2027-02-14"),
        ([1], "expires soon, on 2027-01-15"),
        ([-1], "expired on 2027-01-15"),
        ([-DAY_MS, 2 * DAY_MS], "expires soon, on 2027-01-17"),
        ([-DAY_MS, 0], ""),  # another one holds for ever
        ([DAY_MS, 90 * DAY_MS], ""),
    ],
)
def test_a_signature_that_ends_soon_is_warned_of_by_the_last_one_that_holds(ends: list[int], told: str):
    signers = tuple(Signer(key_id=f"ed25519:{n}", expires_ms=NOW_MS + at if at else 0) for n, at in enumerate(ends))
    wanted = replace(deployment(), signers=signers)
    assert said(plan_of([wanted])) == []  # at no known time
    plan = plan_of([wanted], judging=Judging(now_ms=NOW_MS))
    assert said(plan) == ([f"the signature on {wanted.revision.component} 1.0.0 {told}"] if told else [])
    revoked = replace(wanted, signers=tuple(replace(signer, revoked=True) for signer in signers))
    assert said(plan_of([revoked], judging=Judging(now_ms=NOW_MS))) == []  # which is told as such

"""An action, and what the policies say of the deployment → the action, or a row that says why nothing is done.

Called by `make.py`, after `rules.py` has decided as if there were no policy. A deployment that runs and breaks a rule
is left alone, but for a policy that stops it.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState, Record
from orchestrator.model.policy import NO_POLICY, OnViolation, PolicySet
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.finding import FindingKind, PlanFinding
from orchestrator.policy.judge import ALLOWED, Asked, Breach, Judgement, RuleEffect, judge
from orchestrator.policy.limits import over_limits
from orchestrator.rollout.standing import is_barred, leading_to
from orchestrator.signing.trust import Trust

TOUCHING = (ActionKind.CREATE, ActionKind.RENAME, ActionKind.ROLL_OUT, ActionKind.UPDATE, ActionKind.ADOPT)


class Judging(Value, frozen=True):
    """The policies in force, and the time of the judgement: a signature may have expired.

    `trust` are the keys that are trusted at that time: one may have been revoked since a deployment was recorded.
    """

    rules: PolicySet = NO_POLICY
    now_ms: int = 0
    trust: Trust | None = None

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to judge by."""
        return bool(self.rules.place) or self.rules.machine is not None

    @property
    def may_stop(self) -> bool:
        """Whether any policy stops what runs."""
        return any(policy.on_violation is OnViolation.STOP for policy in self.rules.policies)

    def of(self, deployment: Deployment, root: str) -> Judgement:
        """Judge one deployment of a source with this root."""
        if deployment.signers and self.trust is not None and self.is_needed:
            deployment = replace(deployment, signers=self.trust.recognised(deployment.signers))
        return judge(Asked(deployment=deployment, place=place_of(deployment, root)), self.rules, self.now_ms)


UNJUDGED = Judging()


def place_of(deployment: Deployment, root: str) -> str:
    """Return where a deployment's component is from: its reference, or the root of the source that holds it."""
    origin = deployment.revision.origin
    return origin.reference if origin is not None else root


def ruled(
    actions: Iterable[Action], wanted: Deployment, seen: ObservedDeployment | None, judging: Judging, root: str,
    beyond: tuple[Breach, ...] = (),
) -> Iterator[Action]:  # fmt: skip
    """Yield the actions on one deployment as the policies allow them; `beyond` are the limits that it would exceed."""
    found = [*actions]
    if seen is not None and (judging.may_stop or seen.record.barred is not None):
        yield from barring(seen.record, judging.of(_leading(seen.record, wanted), root))
    touching = [action for action in found if action.kind in TOUCHING]
    verdict = judging.of(wanted, root) if touching else ALLOWED
    if beyond:
        verdict = replace(verdict, findings=(*verdict.findings, *beyond))
    for action in found:
        is_held_back = action in touching and not verdict.is_allowed and not _only_stops(action, wanted)
        yield _blocked(action, verdict) if is_held_back else action


def _leading(record: Record, wanted: Deployment) -> Deployment:
    """Return what is in force or on its way, with the signers that its source has now: one may have come since."""
    leading = leading_to(record)
    return replace(leading, signers=wanted.signers) if leading.revision.id == wanted.revision.id else leading


def barring(record: Record, now: Judgement) -> Iterator[Action]:
    """Yield the action that stops what runs and may not, or lets it begin again once it may."""
    leading, is_stopped = leading_to(record), is_barred(record)
    if now.stops == is_stopped:
        return
    reason = Reason.POLICY_ALLOWS if is_stopped else Reason.POLICY_REFUSED
    revision = leading.revision
    yield Action(
        kind=ActionKind.UPDATE, sigil=ActionKind.UPDATE.sigil, key=record.key, reasons=(reason,),
        old_version=revision.version, new_version=revision.version, old_revision=revision.id, new_revision=revision.id,
        interrupts="" if is_stopped else "stops every instance", note="" if is_stopped else now.text,
        found=UNSET if is_stopped else _rules(record.key, now),
    )  # fmt: skip


def is_barring(action: Action) -> bool:
    """Whether an action only stops, or lets begin again, what runs."""
    return action.kind is ActionKind.UPDATE and action.reasons in ((Reason.POLICY_REFUSED,), (Reason.POLICY_ALLOWS,))


def _only_stops(action: Action, wanted: Deployment) -> bool:
    return action.kind is ActionKind.UPDATE and wanted.suspend


def _blocked(action: Action, verdict: Judgement) -> Action:
    is_waiting = not verdict.having(RuleEffect.REFUSED)
    reason = Reason.NEEDS_APPROVAL if is_waiting else Reason.POLICY_REFUSED
    hint = f"; `airs approve {action.key}`, or a commit to the policies, approves it" if is_waiting else ""
    return replace(
        action, kind=ActionKind.BLOCKED, sigil=ActionKind.BLOCKED.sigil, reasons=(reason,), strategy=None,
        interrupts="", note=verdict.text + hint, found=(*action.findings, *_rules(action.key, verdict)),
    )  # fmt: skip


def _rules(key: DeploymentKey, verdict: Judgement) -> tuple[PlanFinding, ...]:
    """Return the rules that keep a deployment from running."""
    return tuple(_rule(key, breach) for breach in verdict.findings if breach.effect is not RuleEffect.WARNED)


def _rule(key: DeploymentKey, breach: Breach) -> PlanFinding:
    return PlanFinding(
        kind=FindingKind.RULE, text=breach.text, blocks=True, unblock=_unblock(key, breach), rule=breach.rule,
        policy=breach.policy, file=breach.file, line=breach.line,
    )  # fmt: skip


def _unblock(key: DeploymentKey, breach: Breach) -> str:
    place = f"{breach.file}:{breach.line}" if breach.line else breach.file
    return UNBLOCKS[breach.rule].format(key=key, rule=f"another rule at {place}" if place else "another rule")


UNBLOCKS = {  # by rule, as `judge` names them
    "unknown": "policies that can be read: `airs agent status` says what is wrong with them",
    "mode": "{rule}",
    "signers": "a signature by a key that the policy trusts (`airs sign`), or {rule}",
    "sources": "the component from a place that the policy allows, or {rule}",
    "forbid": "the deployment without this grant, or {rule}",
    "approve": "`airs approve {key}`, or an Approval beside the policies",
    "limits": "fewer replicas, lower limits or fewer deployments, or {rule}",
}


def beyond_limits(
    wanted: Iterable[Deployment], standing: Mapping[DeploymentKey, Deployment], judging: Judging
) -> dict[DeploymentKey, tuple[Breach, ...]]:
    """Return the findings of those that would take their namespace over a limit."""
    return over_limits(wanted, standing, judging.rules) if judging.is_needed else {}


def standing_in(records: Iterable[Record]) -> dict[DeploymentKey, Deployment]:
    """Return what there is and stays, by key, as limits count it."""
    return {record.key: leading_to(record) for record in records if not record.deleted and _has_begun(record)}


def has_barred(observed: ObservedState) -> bool:
    """Whether a policy stopped anything: it begins again where there is no such policy any more."""
    return any(seen.record.barred is not None for seen in observed.deployments)


def _has_begun(record: Record) -> bool:
    return record.stable is not None or record.rollout is not None


def standing_breaches(
    wanted: Iterable[Deployment], seen: Mapping[DeploymentKey, ObservedDeployment], actions: Iterable[Action],
    judging: Judging, root: str,
) -> Iterator[Diagnostic]:  # fmt: skip
    """Yield a warning for each deployment that runs, breaks a rule, and is left alone by the plan."""
    if not judging.is_needed:
        return
    told = {action.key for action in actions if action.kind in (*TOUCHING, ActionKind.BLOCKED)}
    for deployment in wanted:
        own = seen.get(deployment.key)
        if own is None or own.record.deleted or deployment.key in told:
            continue
        verdict = judging.of(_leading(own.record, deployment), root)
        if not verdict.is_allowed:
            place = Location(file=deployment.file, line=deployment.line, column=1)
            summary = f"{deployment.key} runs, and may not: {verdict.text}"
            yield Diagnostic(severity=Severity.WARNING, summary=summary, location=place)


def policy_warnings(wanted: Iterable[Deployment], judging: Judging, root: str) -> Iterator[Diagnostic]:
    """Yield a warning for each rule that is broken and keeps nothing from running; a mode is told once."""
    if not judging.is_needed:
        return
    told: set[tuple[str, int]] = set()
    for deployment in wanted:
        for finding in judging.of(deployment, root).having(RuleEffect.WARNED):
            where = Location(file=deployment.file, line=deployment.line, column=1)
            if finding.rule == "mode":
                if (finding.file, finding.line) in told:
                    continue
                told.add((finding.file, finding.line))
                where = Location(file=finding.file, line=finding.line, column=1)
            what = finding.text if finding.rule == "mode" else f"{deployment.key}: {finding}"
            yield Diagnostic(severity=Severity.WARNING, summary=what, location=where)

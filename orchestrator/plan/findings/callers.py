"""The actions of a plan → the same, but those are blocked that would break a deployed caller, or use what nobody has.

Callers are found in three places: a deployment declares what it uses (`spec.uses`), its grants name another one to
send to, or it was seen sending there. All of a plan is judged together: a caller that the same plan changes is judged
by what it uses then, and one whose change is blocked by what it uses now.

Called by `make.py` after all other rules, for they decide which changes there will be.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from orchestrator.interface.fitness import MESSAGING
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Deployment, DeploymentUse
from orchestrator.model.world import World
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.document import Plan
from orchestrator.plan.finding import FindingKind, PlanFinding
from orchestrator.plan.findings.concern import CHANGING, REASONS
from orchestrator.plan.findings.functions import MESSAGES, Broken, broken, lacks, meant
from orchestrator.plan.findings.known import Deployments, KnownFacts
from orchestrator.policy.overlap import overlaps

Key = DeploymentKey
SEND = "messaging.send"
REMOVED = "it is removed"
SENDS = frozenset(("send", "request", "broadcast"))
Wishes = Mapping[Key, Deployment | None]  # what the actions lead to; None is removed


class DeployedCaller(msgspec.Struct, frozen=True):
    """A deployment that calls another one: by a declared use, or by messages that it may send or was seen to send."""

    deployment: Deployment
    use: DeploymentUse
    how: str = "uses"
    is_declared: bool = True


class AfterPlan(msgspec.Struct, frozen=True):
    """All that is deployed, and all that would be: `wishes` are those whose action is carried out.

    `named` are the callers that would name a deployment, by declared uses and grants.
    """

    standing: Deployments
    wishes: Wishes
    known: KnownFacts
    named: Mapping[Key, Sequence[DeployedCaller]] = {}

    def after(self, key: Key) -> Deployment | None:
        """Return a deployment as it would be; None where there would be none."""
        return self.wishes[key] if key in self.wishes else self.standing.get(key)

    def all_after(self) -> Iterator[Deployment]:
        """Yield everything as it would be."""
        yield from (deployment for key, deployment in self.standing.items() if key not in self.wishes)
        yield from (deployment for deployment in self.wishes.values() if deployment is not None)

    def changes(self, key: Key) -> bool:
        """Whether a deployment that is there would be gone, or have another artifact."""
        now, then = self.standing.get(key), self.wishes[key]
        return now is not None and (then is None or then.revision.artifact != now.revision.artifact)


def with_callers(
    actions: Iterable[Action], wanted: Deployments, standing: Deployments, known: KnownFacts, *, allows_breaking: bool
) -> list[Action]:
    """Return the actions, those blocked that would break a caller (unless that is allowed) or use what nobody has."""
    actions, found = [*actions], dict[Key, tuple[PlanFinding, ...]]()
    wishes = dict(_wishes(actions, wanted, standing))
    while True:
        stage = _stage(standing, wishes, known)
        judged = {key: (*_unmet(key, stage), *_breaking(key, stage, allows_breaking)) for key in wishes}
        blocked = {key for key in wishes if any(finding.blocks for finding in judged[key])}
        if not blocked:
            found |= judged
            return [_told(action, found[action.key]) if found.get(action.key) else action for action in actions]
        found |= {key: judged[key] for key in blocked}
        wishes = {key: wish for key, wish in wishes.items() if key not in blocked}


def _wishes(
    actions: Iterable[Action], wanted: Deployments, standing: Deployments
) -> Iterator[tuple[Key, Deployment | None]]:
    for action in actions:
        wish, now = wanted.get(action.key), standing.get(action.key)
        if action.kind is ActionKind.UPDATE and wish is not None and now is not None:
            yield action.key, replace(wish, revision=now.revision)
        elif action.kind in CHANGING:
            yield action.key, None if action.kind is ActionKind.REMOVE else wish


def _how(use: DeploymentUse) -> str:
    return "sends it" if use.is_of_messages else "uses"


def _stage(standing: Deployments, wishes: Wishes, known: KnownFacts) -> AfterPlan:
    stage = AfterPlan(standing, wishes, known)
    return with_named(stage) if any(map(stage.changes, wishes)) else stage


def with_named(stage: AfterPlan) -> AfterPlan:
    """Find out who names whom."""
    return replace(stage, named=_named(stage))


def _named(stage: AfterPlan) -> dict[Key, list[DeployedCaller]]:
    """Index the callers that name whom they call."""
    found: dict[Key, list[DeployedCaller]] = {}
    for deployment in stage.all_after():
        if not (deployment.uses or deployment.revision.grants):
            continue
        for use in deployment.uses:
            found.setdefault(use.deployment, []).append(DeployedCaller(deployment, use, _how(use)))
        for target in {*_targets(deployment)}:
            found.setdefault(target, []).append(_sender(deployment, target, "is granted to send it"))
    return found


def _told(action: Action, findings: tuple[PlanFinding, ...]) -> Action:
    if action.kind not in CHANGING:
        return action
    told = replace(action, found=(*action.findings, *findings))
    blocking = [finding for finding in findings if finding.blocks]
    if not blocking:
        return told
    kinds = {finding.kind for finding in blocking}
    reasons = tuple(reason for kind, reason in REASONS.items() if kind in kinds)
    note = "; ".join(finding.text for finding in blocking)
    return replace(
        told, kind=ActionKind.BLOCKED, sigil=ActionKind.BLOCKED.sigil, reasons=reasons, strategy=None, interrupts="",
        note=note,
    )  # fmt: skip


def _unmet(key: Key, stage: AfterPlan) -> Iterator[PlanFinding]:
    """Yield what a deployment newly says it uses, and nobody would have."""
    wish, now = stage.wishes[key], stage.standing.get(key)
    if wish is not None:
        for use in wish.uses:
            if now is None or use not in now.uses:
                yield from unmet_uses(wish, use, stage)


def unmet_uses(deployment: Deployment, use: DeploymentUse, stage: AfterPlan) -> Iterator[PlanFinding]:
    """Yield a finding for each thing that a deployment uses of another one that does not have it."""
    target = stage.after(use.deployment)
    if target is None:
        yield _unmet_use(deployment, use, "which is not deployed", f"{use.deployment} in the same source, or before")
        return
    world = stage.known.world(target.revision.artifact)
    for lack in lacks(use, world) if world is not None else ():
        yield _unmet_use(deployment, use, f"and in {target.revision.version}, {lack}", f"{use.deployment} with it")


def unmet_warnings(plan: Plan, standing: Deployments, known: KnownFacts) -> Iterator[Diagnostic]:
    """Yield a warning for each use that nobody meets of a deployment that goes on as it is."""
    acted_on = {action.key for action in plan.actions}
    wishes = dict(_wishes(plan.actions, {each.key: each for each in plan.desired.deployments}, standing))
    stage = AfterPlan(standing, wishes, known)
    for deployment in plan.desired.deployments:
        for use in deployment.uses if deployment.key not in acted_on else ():
            for finding in unmet_uses(deployment, use, stage):
                yield Diagnostic(
                    severity=Severity.WARNING, summary=f"{deployment.key}: {finding.text}",
                    location=Location(file=deployment.file, line=deployment.line, column=1), detail="It runs on.",
                    suggestion=finding.unblock,
                )  # fmt: skip


def _unmet_use(deployment: Deployment, use: DeploymentUse, why: str, unblock: str) -> PlanFinding:
    return PlanFinding(
        kind=FindingKind.UNMET_USE, text=f"it uses {use}, {why}", blocks=True,
        unblock=f"{unblock}, or {deployment.key} without it in `uses`", target=str(use.deployment),
        function=" ".join(use.functions), file=deployment.file, line=deployment.line,
    )  # fmt: skip


def _breaking(key: Key, stage: AfterPlan, allows_breaking: bool) -> Iterator[PlanFinding]:
    """Yield a finding for each caller of a deployment that breaks by what becomes of it."""
    if not stage.changes(key):
        return
    now, then = stage.standing[key], stage.wishes[key]
    callers = callers_of(key, stage)
    if not callers:
        return
    old = stage.known.world(now.revision.artifact)
    new = None if then is None else stage.known.world(then.revision.artifact)
    if then is not None and (old is None or new is None):
        yield _unknown(now if old is None else then, callers)
        return
    breaks = broken(old, new) if old is not None and new is not None else {}
    for caller in callers:
        for function, why in _broken_calls(caller, old, new, breaks, stage):
            yield _breaks(caller, key, function, why, is_allowed=allows_breaking)


def _broken_calls(
    caller: DeployedCaller, old: World | None, new: World | None, breaks: Broken, stage: AfterPlan
) -> Iterator[tuple[str, str]]:
    """Yield each function of which a caller's calls break, and why."""
    if new is None:
        yield from ((name, REMOVED) for name in _names(caller.use, old))
    elif _changes_too(caller, stage):  # it was made for the new one: that has to have what it says it uses
        yield from ((" ".join(caller.use.functions) or caller.use.interface, lack) for lack in lacks(caller.use, new))
    elif old is not None:
        yield from ((name, "; ".join(breaks[name])) for name in meant(caller.use, old) if name in breaks)


def _names(use: DeploymentUse, old: World | None) -> list[str]:
    if old is not None:
        return [*meant(use, old)]
    return [*use.functions] or [use.interface or MESSAGES]


def _changes_too(caller: DeployedCaller, stage: AfterPlan) -> bool:
    now, then = stage.standing.get(caller.deployment.key), caller.deployment
    return now is None or now.revision.artifact != then.revision.artifact


def _breaks(caller: DeployedCaller, target: Key, function: str, why: str, *, is_allowed: bool) -> PlanFinding:
    """Tell of a caller; of a removal, which says itself that nothing is left, only one that declares its use blocks."""
    key, is_removal = caller.deployment.key, why == REMOVED
    blocks = not is_allowed and (caller.is_declared or not is_removal)
    kept = f"{target} in the source again" if is_removal else f"{target} with what it calls"
    other = "without this use in the same plan" if caller.is_declared else "without this grant in the same plan"
    return PlanFinding(
        kind=FindingKind.BREAKS_CALLER, text=f"{key} {caller.how} {short(function)}: {why}", blocks=blocks,
        unblock=f"{key} {other}, {kept}, or `--allow-breaking`" if blocks else "",
        caller=str(key), target=str(target), function=function, file=caller.deployment.file,
        line=caller.deployment.line,
    )  # fmt: skip


def short(function: str) -> str:
    """Name a function as a person would: `counter#add` of `demo:apps/counter@1.0.0#add`; messages for its own."""
    interface, _, name = function.rpartition("#")
    if function == MESSAGES:
        return "messages"
    return f"{interface.partition('@')[0].rpartition('/')[2]}#{name}" if interface else name


def _unknown(deployment: Deployment, callers: Iterable[DeployedCaller]) -> PlanFinding:
    names = ", ".join(dict.fromkeys(str(caller.deployment.key) for caller in callers))
    what = f"the exports of {deployment.revision.version} are not known here"
    return PlanFinding(kind=FindingKind.BREAKS_CALLER, text=f"whether {names} can go on calling it: {what}")


def callers_of(target: Key, stage: AfterPlan) -> list[DeployedCaller]:
    """Return the others that call a deployment, as they would be, by name; a declared use tells more than a message."""
    named = [caller for caller in stage.named.get(target, ()) if caller.deployment.key != target]
    declaring = {caller.deployment.key for caller in named if caller.is_declared}
    seen = {key: _seen(key, target, stage) for key in stage.known.senders(target) if key != target}
    others = {caller.deployment.key: caller for caller in named if not caller.is_declared}
    others |= {key: caller for key, caller in seen.items() if caller is not None}
    sending = [c for key, c in others.items() if key not in declaring and _can_send(c.deployment, stage.known)]
    declared = [caller for caller in named if caller.is_declared]
    return sorted((*declared, *sending), key=lambda caller: (caller.deployment.key, caller.use))


def _seen(key: Key, target: Key, stage: AfterPlan) -> DeployedCaller | None:
    """Return a deployment that was seen sending to another, if it is still there and may."""
    deployment = stage.after(key)
    is_granted = deployment is not None and any(
        overlaps("messaging.send", pattern, str(target), key.namespace) for pattern in _patterns(deployment)
    )
    return _sender(deployment, target, "was seen sending it") if deployment is not None and is_granted else None


def _sender(deployment: Deployment, target: Key, how: str) -> DeployedCaller:
    return DeployedCaller(deployment, DeploymentUse(deployment=target), how, is_declared=False)


def _patterns(deployment: Deployment) -> tuple[str, ...]:
    return tuple(p for grant in deployment.revision.grants if grant.capability == SEND for p in grant.patterns)


def _targets(deployment: Deployment) -> Iterator[Key]:
    """Yield the deployments that grants name; patterns name none."""
    for pattern in _patterns(deployment):
        if "*" not in pattern:
            yield Key.parse(pattern, deployment.key.namespace)


def _can_send(deployment: Deployment, known: KnownFacts) -> bool:
    """Decide whether a component sends messages at all; one that is not known might."""
    world = known.world(deployment.revision.artifact)
    imports = () if world is None else world.imports
    return world is None or any(one.interface == MESSAGING and SENDS & {*one.functions} for one in imports)

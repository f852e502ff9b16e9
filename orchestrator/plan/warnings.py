"""Warnings beside the actions: what is known to go wrong with a source's desired state, though nothing blocks it.

Called by `make.py`. They are no part of the actions: a message more or less a second makes no other plan.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment
from orchestrator.model.spec import Deployment, Strategy
from orchestrator.plan.action import Action, ActionKind
from orchestrator.rollout.outlook import why_inconclusive

EXPIRES_SOON_MS = 30 * 86_400_000


def warnings(
    wanted: Iterable[Deployment], seen: Mapping[DeploymentKey, ObservedDeployment], actions: Iterable[Action]
) -> Iterator[Diagnostic]:
    """Yield a warning for each analysis that cannot conclude."""
    planned = {action.key: action.kind for action in actions}
    for deployment in wanted:
        found, kind = seen.get(deployment.key), planned.get(deployment.key)
        if found is not None and found.messages_per_s is not None and kind is ActionKind.ROLL_OUT:
            yield from _of_analysis(deployment, found, found.messages_per_s)


def expiring(wanted: Iterable[Deployment], now_ms: int) -> Iterator[Diagnostic]:
    """Yield a warning for each component whose last good signature has ended, or ends soon; none at no time (0)."""
    for deployment in wanted if now_ms else ():
        good = [signer for signer in deployment.signers if not signer.revoked]
        if not good or any(not signer.expires_ms for signer in good):
            continue
        last = max(good, key=lambda signer: signer.expires_ms)
        if last.expires_ms > now_ms + EXPIRES_SOON_MS:
            continue
        has, on = ("expired", "") if last.has_expired(now_ms) else ("expires", "soon, ")
        revision = deployment.revision
        yield _warning(
            deployment,
            f"the signature on {revision.component} {revision.version} {has} {on}on {_day(last.expires_ms)}",
            f"It is by {last.shown}; no other signature on it holds for longer.",
            "sign it again (`airs sign`), or deploy a version whose signature holds",
        )


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def _of_analysis(deployment: Deployment, found: ObservedDeployment, per_s: float) -> Iterator[Diagnostic]:
    is_whole = deployment.revision.stateful and not deployment.routing.is_keyed  # switched at once
    is_canary = deployment.rollout.strategy is Strategy.CANARY and not deployment.revision.is_job and not is_whole
    if not is_canary or found.record.stable is None:
        return
    why = why_inconclusive(deployment.rollout, per_s)
    if why:
        yield _warning(
            deployment,
            f"the analysis of {deployment.key} is likely to wait for a person: too few messages come",
            f"It had {per_s:.2g} messages a second lately: {why}.",
            "ask for fewer `minimumMessages`, give the new version more weight, or allow more time "
            "(`interval`, `inconclusiveLimit`, `progressDeadline`)",
        )


def _warning(deployment: Deployment, summary: str, detail: str, suggestion: str) -> Diagnostic:
    where = Location(file=deployment.file, line=deployment.line)
    return Diagnostic(severity=Severity.WARNING, summary=summary, location=where, detail=detail, suggestion=suggestion)

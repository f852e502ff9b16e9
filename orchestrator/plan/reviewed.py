"""A plan that was made elsewhere, against an exported state → whether a plan made here is that very plan.

`airs apply PATH --plan FILE` calls it. Nothing in the file is believed: it only says what was reviewed. The plan that
is applied is made here, of the manifests and the state as they are here, and refused where it differs.
"""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action
from orchestrator.plan.against import AgainstKind
from orchestrator.plan.document import Plan
from orchestrator.plan.saved import (
    PlanHeader,
    PlanRefused,
    SealedPlan,
    check_digest,
    check_fresh,
    check_size,
    check_version,
    parse,
)

NAMED_MAX = 5  # deployments that are named in a refusal
AGAIN = "Make the plan again, and look at it again."


def is_from_elsewhere(data: bytes) -> bool:
    """Whether a document says that it is a plan that was made against a state that was named.

    Raises:
        PlanRefused: it is no plan at all.
    """
    check_size(data)
    return parse(data, _Origin).against is not UNSET


def read_reviewed(data: bytes) -> Plan:
    """Decode a plan that was made elsewhere.

    Raises:
        PlanRefused: it is none, of another format, edited, or made against something that is not what runs anywhere.
    """
    check_size(data)
    check_version(parse(data, PlanHeader).format_version)
    fields = msgspec.structs.asdict(parse(data, SealedPlan))
    is_sealed = bool(fields.pop("seal"))
    plan = Plan(**fields)
    check_digest(plan)
    if plan.against is UNSET or is_sealed:
        raise PlanRefused("the plan was made here", "It is applied as it is.", "Leave PATH away: `airs apply FILE`.")
    if plan.against.kind not in (AgainstKind.FILE, AgainstKind.URL):
        detail = f"It was made against {plan.against.kind.value} {plan.against.place}".rstrip() + "."
        raise PlanRefused(
            "the plan does not say what runs here", detail, "Make it `--against` an exported state of this agent."
        )
    return plan


def check_same(reviewed: Plan, now: Plan) -> None:
    """Make sure that a plan does what was reviewed: of the same state, the same manifests and the same artifacts.

    Raises:
        PlanRefused: anything that the reviewed plan rests on has moved.
    """
    check_fresh(reviewed, ObservedState(lineage=now.lineage, serial=now.serial))
    differing = [*dict.fromkeys(_differing(reviewed, now))]
    if differing:
        more = len(differing) - NAMED_MAX
        named = ", ".join(map(str, differing[:NAMED_MAX])) + (f" and {more} more" if more > 0 else "")
        detail = f"The manifests or artifacts here are not those that were reviewed: {named}."
        raise PlanRefused("the plan made here is another one", detail, AGAIN)


class _Origin(msgspec.Struct, rename="camel"):
    """As much of a document as tells where it was made."""

    format_version: str
    against: msgspec.Raw | msgspec.UnsetType = UNSET


def _differing(reviewed: Plan, now: Plan) -> Iterator[DeploymentKey]:
    before, after = {_said(one) for one in reviewed.actions}, {_said(one) for one in now.actions}
    yield from (said.key for said in sorted(before ^ after, key=lambda one: one.key))
    wanted, wants = ({one.key: _spec(one) for one in plan.desired.deployments} for plan in (reviewed, now))
    yield from (key for key in sorted({*wanted, *wants}) if wanted.get(key) != wants.get(key))


def _said(action: Action) -> Action:
    """Return an action without what is only told: where things are written, how long a switch may take."""
    return replace(action, note="", interrupts="", found=UNSET)


def _spec(deployment: Deployment) -> Deployment:
    return replace(deployment, file="", line=0, signers=())

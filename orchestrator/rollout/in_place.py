"""A deployment and a spec edited since → the deployment with those edits, and all else of it as it was.

Fields that came with a revision belong to that revision's set: its health call, say, may ask for what the old one does
not export. A later edit, while the spec asks for the same revision, acts on every set that there is, and on the serving
one while that revision is held back. Called by `plan`, which shows it, and `execute`, which does it.
"""

from msgspec.structs import replace

from orchestrator.model.observed import Record
from orchestrator.model.rollout import Rollout
from orchestrator.model.spec import Deployment
from orchestrator.rollout.edits import edited
from orchestrator.rollout.standing import is_serving, refusals, unfinished

IN_PLACE = tuple(
    name
    for name in Deployment.__struct_fields__
    if name not in ("key", "revision", "file", "line", "rationale", "signers", "asks", "requires")
)  # fmt: skip
OF_EVERY_KIND = ("labels", "depends_on", "uses", "suspend")  # what means the same for a job and for what goes on


def in_force(record: Record, wanted: Deployment) -> Deployment | None:
    """Return the spec of the wanted revision as it was seen last, which later edits are told from; None if never."""
    rollout, revision = unfinished(record), wanted.revision.id
    if rollout is not None and rollout.target.revision.id == revision:
        return rollout.target
    if is_serving(record, revision):
        return record.stable
    return next((entry.seen for entry in reversed(refusals(record, revision)) if entry.seen is not None), None)


def with_edits(deployment: Deployment, seen: Deployment, wanted: Deployment) -> Deployment:
    """Return `deployment` with each field in which `wanted` differs from what was `seen` last."""
    if deployment.revision.id == wanted.revision.id:
        return wanted
    is_alike = deployment.revision.is_job == wanted.revision.is_job
    changed = [name for name in IN_PLACE if getattr(seen, name) != getattr(wanted, name)]
    made = replace(deployment, **{n: getattr(wanted, n) for n in changed if is_alike or n in OF_EVERY_KIND})
    if made.revision.stateful and not made.routing.is_keyed and made.replicas > 1:
        made = replace(made, replicas=1)  # of such a one, two would not know what the other has written
    return deployment if made == deployment else made


def put_in_place(record: Record, wanted: Deployment, now_ms: int) -> Record:
    """Return the record with what was edited in place acting on every set that it concerns."""
    seen = in_force(record, wanted)
    if seen is None:
        return record
    rollout = record.rollout
    return replace(
        record,
        stable=record.stable and with_edits(record.stable, seen, wanted),
        rollout=_rollout_with_edits(rollout, seen, wanted, now_ms) if rollout is not None else None,
        rejected=tuple(replace(r, seen=wanted) if r.revision == wanted.revision.id else r for r in record.rejected),
        held=replace(record.held, seen=wanted)
        if record.held is not None and record.held.revision == wanted.revision.id
        else record.held,
    )


def _rollout_with_edits(rollout: Rollout, seen: Deployment, wanted: Deployment, now_ms: int) -> Rollout:
    if rollout.phase.is_over:
        return rollout
    target = with_edits(rollout.target, seen, wanted)
    old = rollout.old and with_edits(rollout.old, seen, wanted)
    return edited(replace(rollout, old=old), target, now_ms)

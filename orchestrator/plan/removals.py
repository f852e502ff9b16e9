"""Deployments that a source no longer wants → removals, or removals held back because its answer may not mean that.

Called by `make.py`. It names only deployments that this source owns by the inventory. A mass removal that waits must go
on waiting when the same pass has made the inventory larger, so `execute` records it with `mass_prune_hold`.
"""

from collections.abc import Iterable, Mapping

from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Hold, Record
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.dependencies import names_of, needs_in_force, reversed_needs
from orchestrator.plan.renames import kept_for
from orchestrator.plan.siblings import Siblings, doubt_of, heir_of

MASS_PRUNE_ABOVE = 3  # so many removals never wait, however small the inventory


def mass_prune_hold(record: Record, at_ms: int) -> Hold:
    """Return the hold that marks a removal that waits for `--allow-mass-prune`; it holds nothing else back."""
    revision = (record.stable or record.wanted).revision.id
    return Hold(revision=revision, reason=Reason.MASS_PRUNE.value, at_ms=at_ms)


def removals(desired: DesiredState, records: Iterable[Record], siblings: Siblings = ()) -> list[Action]:
    """List a removal for each record of this source that it no longer wants; held where that is in doubt.

    None is listed for one that a sibling wants: that takes it over.
    """
    records = [*records]
    inventory = {record.key: record for record in records if record.source == desired.source}
    there = {record.key for record in records}
    renamed = kept_for(desired.deployments, there)
    wanted = {d.key for d in desired.deployments}.union(desired.invalid, renamed)
    gone = [
        record for key, record in sorted(inventory.items()) if key not in wanted and not heir_of(key, siblings, there)
    ]
    unreadable = set(desired.unreadable_files)
    leaving = [record for record in gone if record.wanted.file not in unreadable]
    strays = sorted(unreadable - {record.wanted.file for record in gone})
    why = doubt(desired, strays, leaving, len(inventory))
    if why is None and (unread := doubt_of(siblings)):
        why = Reason.SIBLING_UNREAD, unread
    if why is not None:
        return [removal(record, ActionKind.HELD, *why) for record in leaving]
    # Others' needs count as well: a deployment of another source learns nothing of this plan.
    needs = {record.key: needs_in_force(record) for record in records if record.source != desired.source}
    needed_by = reversed_needs(needs | {d.key: d.depends_on for d in desired.deployments})
    return [removal(r, ActionKind.REMOVE, Reason.REMOVED_FROM_SOURCE, still_needed(r, needed_by)) for r in leaving]


def doubt(desired: DesiredState, strays: list[str], leaving: list[Record], inventory: int) -> tuple[Reason, str] | None:
    """Say why removals wait, None when they need not; the first doubt wins.

    `strays` are unreadable files that explain no removal: any deployment that leaves may have moved there.
    """
    allowed = desired.permissions
    if strays:
        return Reason.UNREADABLE_FILE, f"{strays[0]} could not be read and may hold it; repair it first"
    is_empty = desired.empty or not (desired.deployments or desired.invalid or desired.unreadable_files)
    if is_empty:
        return None if allowed.allow_empty else (Reason.SOURCE_EMPTY, "the source is empty; --allow-empty removes all")
    if is_mass(leaving, inventory) and not allowed.allow_mass_prune:
        many = f"{len(leaving)} of {inventory} would be removed at once; --allow-mass-prune allows it"
        return Reason.MASS_PRUNE, many
    return None


def is_mass(leaving: list[Record], inventory: int) -> bool:
    """Whether so many leave that someone has to say so, now or when they were first seen to leave."""
    waited = any(record.held and record.held.reason == Reason.MASS_PRUNE.value for record in leaving)
    return len(leaving) > MASS_PRUNE_ABOVE and (len(leaving) * 2 > inventory or waited)


def still_needed(record: Record, needed_by: Mapping[DeploymentKey, list[DeploymentKey]]) -> str:
    """Warn of those that depend on a removed deployment; "" when none does."""
    dependents = needed_by.get(record.key)
    return f"still needed by {names_of(dependents)}" if dependents else ""


def removal(record: Record, kind: ActionKind, reason: Reason, note: str) -> Action:
    """Make the row for one record that is no longer wanted."""
    revision = (record.stable or record.wanted).revision
    return Action(
        kind=kind,
        sigil=kind.sigil,
        key=record.key,
        reasons=(reason,),
        old_version=revision.version,
        old_revision=revision.id,
        note=note,
    )

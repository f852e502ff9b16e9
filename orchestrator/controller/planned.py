"""(a source's wish when it was planned last, its wish now) → the deployments to plan again.

The controller asks it on each pass. It is pure, and may say too many, never too few: a deployment that it does not name
has neither another manifest, nor another record, nor other instances than when it was planned last.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

from orchestrator.model.desired import DesiredState, Permissions
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Record
from orchestrator.model.spec import Deployment
from orchestrator.plan.siblings import Siblings, are_same


class PlannedSource:
    """One source as it was planned: the ledger's own `recorded` wish, and its count of records that came or went."""

    def __init__(self, recorded: DesiredState, permissions: Permissions, names: int) -> None:
        self.recorded, self.permissions, self.names = recorded, permissions, names
        self.has_removals = False
        self.siblings: Siblings | None = None  # where something may come from one, or go to one
        self.entangled: frozenset[DeploymentKey] = (
            frozenset()
        )  # those blocked by others, and planned together with them

    @cached_property
    def wanted(self) -> dict[DeploymentKey, Deployment]:
        """The deployments that the source wants, by key."""
        return {deployment.key: deployment for deployment in self.recorded.deployments}

    @cached_property
    def depending(self) -> frozenset[DeploymentKey]:
        """Those that depend on others."""
        return frozenset(key for key, deployment in self.wanted.items() if deployment.depends_on)

    def after(self, recorded: DesiredState, permissions: Permissions, names: int) -> "PlannedSource":
        """Return the source as it is now, with all that was worked out of the same wish."""
        now = PlannedSource(recorded, permissions, names)
        if recorded is self.recorded:
            now.__dict__.update(wanted=self.wanted, depending=self.depending)
        return now


def to_plan(
    before: PlannedSource,
    now: PlannedSource,
    looked_at: Iterable[DeploymentKey],
    records: Mapping[DeploymentKey, Record],
) -> frozenset[DeploymentKey] | None:
    """Return which of the deployments that the source wants to plan again; None for all of them and for removals."""
    if before.siblings is not None and not are_same(before.siblings, now.siblings or ()):
        return None
    if before.has_removals or now.permissions != Permissions() or before.permissions != Permissions():
        return None
    if now.recorded is not before.recorded and _is_another(before.recorded, now.recorded, before, now):
        return None
    source, invalid = now.recorded.source, now.recorded.invalid
    some: set[DeploymentKey] = set()
    for key in looked_at:
        if key in now.wanted:
            some.add(key)
        elif key in records and records[key].source == source and key not in invalid:
            return None
    if any(now.wanted[key].formerly and key not in records for key in some):
        return None  # its record has another name yet
    if now.recorded is not before.recorded:
        some.update(key for key, deployment in now.wanted.items() if _differ(before.wanted[key], deployment))
    if now.names != before.names:  # their dependencies may have come or gone
        some.update(now.depending)
    return frozenset(some | (before.entangled & now.wanted.keys())) if some else frozenset()


def _differ(one: Deployment, other: Deployment) -> bool:
    return one is not other and one != other


def _is_another(old: DesiredState, new: DesiredState, before: PlannedSource, now: PlannedSource) -> bool:
    """Whether more differs than single deployments."""
    # Another commit alone is nothing to plan: `rollout.standing.revisions_of` says what it means for a deployment.
    same = (old.invalid, old.unreadable_files, old.empty) == (new.invalid, new.unreadable_files, new.empty)
    return not same or before.wanted.keys() != now.wanted.keys()

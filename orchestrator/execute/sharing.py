"""Values that were decoded → the same values with each equal part kept once: thousands of deployments differ in few.

It is called for values read from the disk or a request. A deployment that was known before is the very same then, by
which the store and the planner tell that it did not change; resolving keeps unchanged deployments by itself.
"""

from collections.abc import Hashable
from typing import TypeVar

from msgspec.structs import replace

from orchestrator.model.desired import DesiredState
from orchestrator.model.observed import Record
from orchestrator.model.spec import Deployment

V = TypeVar("V", bound=Hashable)
PARTS = ("revision", "labels", "mailbox", "routing", "restart", "health", "rollout", "rationale")  # of a deployment


class Pool:
    """One of each value that it was shown; kept no longer than it takes to show it everything."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Hashable] = {}

    def see(self, desired: DesiredState) -> None:
        """Take a source's wish as it is, for others to be made of."""
        for deployment in desired.deployments:
            for value in (deployment, *(getattr(deployment, name) for name in PARTS)):
                self._one(value)

    def desired(self, desired: DesiredState) -> DesiredState:
        """Return what a source wants."""
        return replace(desired, deployments=tuple(map(self.deployment, desired.deployments)))

    def record(self, record: Record) -> Record:
        """Return a record, whose deployments are mostly one."""
        rollout = record.rollout
        return replace(
            record,
            wanted=self.deployment(record.wanted),
            stable=self.deployment(record.stable) if record.stable is not None else None,
            rollout=replace(rollout, target=self.deployment(rollout.target)) if rollout is not None else None,
        )

    def deployment(self, deployment: Deployment) -> Deployment:
        """Return a deployment, whose policies are mostly those of others."""
        known = self._values.get(deployment)
        if isinstance(known, Deployment):
            return known
        return self._one(replace(deployment, **{name: self._one(getattr(deployment, name)) for name in PARTS}))

    def _one(self, value: V) -> V:
        return self._values.setdefault(value, value)  # type: ignore[return-value]  # what is equal is of one type

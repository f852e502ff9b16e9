"""A deployment that is not there yet, and had other names → the record that it takes over, or why it cannot yet.

`make.py` asks it for each such deployment, and `removals.py` which records stay for it.
"""

from collections.abc import Container, Iterable, Iterator, Mapping

from orchestrator.model.base import Value
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Record
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Reason
from orchestrator.plan.siblings import Siblings, doubt_of, has_left, taker_of

Records = Mapping[DeploymentKey, Record]


class FormerName(Value, frozen=True):
    """The record that a deployment takes over; `reason` and `why` say what keeps it from that, None for nothing."""

    record: Record
    reason: Reason | None = None
    why: str = ""


def former_names(desired: DesiredState, records: Records, siblings: Siblings) -> dict[DeploymentKey, FormerName]:
    """Return what the deployments take over that have a new name, by that."""
    found: dict[DeploymentKey, FormerName] = {}
    for wanted in desired.deployments:
        former = _former(wanted, desired, records, siblings) if wanted.formerly else None
        if former is not None:
            found[wanted.key] = former
    return found


def _former(
    wanted: Deployment, desired: DesiredState, records: Records, siblings: Siblings
) -> FormerName | None:  # fmt: skip
    if wanted.key in records:
        return None
    record = next((records[old] for old in wanted.formerly if old in records), None)
    if record is None or not (record.source == desired.source or has_left(record, siblings)):
        return None  # it never was, or is somebody else's
    if taker_of(record.key, siblings) is not None:
        return None  # it lives on in a source beside this one
    if record.wanted.file in desired.unreadable_files:
        why = f"{record.wanted.file} could not be read and may hold {record.key}; repair it first"
        return FormerName(record=record, reason=Reason.UNREADABLE_FILE, why=why)
    doubt = doubt_of(siblings)
    return FormerName(record=record, reason=Reason.SIBLING_UNREAD, why=doubt) if doubt else FormerName(record=record)


def kept_for(deployments: Iterable[Deployment], there: Container[DeploymentKey]) -> Iterator[DeploymentKey]:
    """Yield the names before of deployments that are not there yet: what they stand for is not removed meanwhile."""
    for wanted in deployments:
        if wanted.formerly and wanted.key not in there:
            yield from wanted.formerly

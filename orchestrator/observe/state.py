"""Joins what is recorded and what runs into the observed state."""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState, Record, Traffic
from orchestrator.supervise.service import Service

Count = Callable[[DeploymentKey], int]
Word = Callable[[DeploymentKey], str]


def observe(
    lineage: str, serial: int, records: Iterable[Record], services: Mapping[DeploymentKey, Service],
    limited: Count, kept: Count, fault: Word,
) -> ObservedState:  # fmt: skip
    """Return what is, sorted by key; a record without a service has no instances.

    `limited` says how many messages somebody wanted to send beyond its rate limit, `kept` how many to it are kept,
    `fault` what keeps airs from looking after it.
    """
    ordered = sorted(records, key=lambda record: record.key)
    return ObservedState(
        lineage=lineage,
        serial=serial,
        deployments=tuple(_look(record, services.get(record.key), limited, kept, fault) for record in ordered),
        agent_running=True,
    )


def _look(
    record: Record, service: Service | None, limited: Count, kept: Count, fault: Word
) -> ObservedDeployment:  # fmt: skip
    if service is None:
        traffic = Traffic(kept=kept(record.key))
        return ObservedDeployment(record=record, instances=(), traffic=traffic, fault=fault(record.key))
    route = service.route
    traffic = replace(route.traffic(), limited=limited(record.key), kept=kept(record.key))
    return ObservedDeployment(
        record=record,
        instances=service.observe(),
        traffic=traffic,
        requests=route.requests.seen(),
        group=service.group(),
        fault=fault(record.key),
    )

"""Joins what is recorded and what runs into the observed state."""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState, Record, Traffic
from orchestrator.supervise.service import Service

Count = Callable[[DeploymentKey], int]


def observe(
    lineage: str, serial: int, records: Iterable[Record], services: Mapping[DeploymentKey, Service],
    limited: Count, kept: Count,
) -> ObservedState:  # fmt: skip
    """Return what is, sorted by key; a record without a service has no instances.

    `limited` says how many messages somebody wanted to send beyond its rate limit, `kept` how many to it are kept.
    """
    ordered = sorted(records, key=lambda record: record.key)
    return ObservedState(
        lineage=lineage,
        serial=serial,
        deployments=tuple(_look(record, services.get(record.key), limited, kept) for record in ordered),
        agent_running=True,
    )


def _look(record: Record, service: Service | None, limited: Count, kept: Count) -> ObservedDeployment:
    if service is None:
        return ObservedDeployment(record=record, instances=(), traffic=Traffic(kept=kept(record.key)))
    route = service.route
    traffic = replace(route.traffic(), limited=limited(record.key), kept=kept(record.key))
    return ObservedDeployment(
        record=record,
        instances=service.observe(),
        traffic=traffic,
        requests=route.requests.seen(),
        group=service.group(),
    )

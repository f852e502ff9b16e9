"""Joins what is recorded and what runs into the observed state."""

from collections.abc import Iterable, Mapping

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState, Record
from orchestrator.supervise.service import Service


def observe(
    lineage: str, serial: int, records: Iterable[Record], services: Mapping[DeploymentKey, Service]
) -> ObservedState:
    """Return what is, sorted by key; a record without a service has no instances."""
    ordered = sorted(records, key=lambda record: record.key)
    return ObservedState(
        lineage=lineage,
        serial=serial,
        deployments=tuple(_look(record, services.get(record.key)) for record in ordered),
        agent_running=True,
    )


def _look(record: Record, service: Service | None) -> ObservedDeployment:
    if service is None:
        return ObservedDeployment(record=record, instances=())
    route = service.route
    return ObservedDeployment(
        record=record, instances=service.observe(), traffic=route.traffic(), requests=route.requests.seen()
    )

"""Joins what is recorded and what runs into the observed state."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import replace

from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState, Record, Traffic
from orchestrator.plan.dependencies import missing_needs
from orchestrator.supervise.service import Service

Count = Callable[[DeploymentKey], int]


class Elsewhere(msgspec.Struct, frozen=True):
    """Facts about a deployment from elsewhere than its record and its service.

    `limited` says how many messages somebody wanted to send beyond its rate limit, `kept` how many to it are kept,
    `dead_letters` how many of it are; `rate` how many came a second lately, of so many in all; `fault` what keeps airs
    from looking after it, `ruling` which rules of policies it breaks.
    """

    limited: Count
    kept: Count
    dead_letters: Count
    rate: Callable[[Route, int], float | None]
    fault: Callable[[DeploymentKey], str]
    ruling: Callable[[DeploymentKey], str] = lambda _key: ""


def observe(
    lineage: str,
    serial: int,
    records: Iterable[Record],
    services: Mapping[DeploymentKey, Service],
    elsewhere: Elsewhere,
) -> ObservedState:
    """Return the observed deployments, sorted by key; a record without a service has no instances."""
    deployments = tuple(observe_each(records, services, elsewhere))
    return ObservedState(lineage=lineage, serial=serial, deployments=deployments, agent_running=True)


def observe_each(
    records: Iterable[Record], services: Mapping[DeploymentKey, Service], elsewhere: Elsewhere
) -> Iterator[ObservedDeployment]:  # fmt: skip
    """Yield the same deployments one by one, for somebody who keeps none of them."""
    ordered = sorted(records, key=lambda record: record.key)
    missing = missing_needs(ordered)
    for record in ordered:
        yield _look(record, services.get(record.key), elsewhere, missing.get(record.key, ()))


def _look(
    record: Record, service: Service | None, elsewhere: Elsewhere, missing: tuple[DeploymentKey, ...]
) -> ObservedDeployment:
    key, at_mailbox = record.key, Traffic() if service is None else service.route.traffic()
    traffic = replace(
        at_mailbox,
        limited=elsewhere.limited(key),
        kept=elsewhere.kept(key),
        dead_letters=elsewhere.dead_letters(key),
    )
    fault, ruling = elsewhere.fault(key), elsewhere.ruling(key)
    if service is None:
        return ObservedDeployment(
            record=record, instances=(), traffic=traffic, fault=fault, missing=missing, ruling=ruling
        )
    return ObservedDeployment(
        record=record,
        instances=service.observe(),
        traffic=traffic,
        requests=service.route.requests.seen(),
        group=service.group(),
        fault=fault,
        messages_per_s=elsewhere.rate(service.route, traffic.received),
        missing=missing,
        restarting=service.is_restarting,
        ruling=ruling,
    )

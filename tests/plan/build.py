"""Deployments, records and states with only what a test is about spelled out."""

from typing import Any

import msgspec

from orchestrator.model.base import digest_of
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Health
from orchestrator.model.observed import (
    Hold,
    ObservedDeployment,
    ObservedInstance,
    ObservedState,
    Phase,
    Record,
    Rejection,
)
from orchestrator.model.rollout import Cause, Rollout, RolloutPhase
from orchestrator.model.spec import Deployment, Grant, Limits, Revision, RolloutPolicy, Strategy

SOURCE = "./manifests"
OTHER_SOURCE = "/srv/elsewhere"
LIMITS = Limits(memory_bytes=16 << 20, fuel=50_000_000, timeout_ms=2_000)


def key(name: str) -> DeploymentKey:
    return DeploymentKey.parse(name)


def revision(version: str = "1.0.0", **changed: Any) -> Revision:
    fields: dict[str, Any] = {
        "id": "",
        "component": "hello",
        "version": version,
        "artifact": "sha256:" + digest_of(["artifact", version]),
        "stateful": False,
        "config": "{}",
        "grants": (),
        "limits": LIMITS,
        **changed,
    }
    fields["id"] = digest_of(fields)
    return Revision(**fields)


def deployment(name: str = "hello", version: str = "1.0.0", **fields: Any) -> Deployment:
    fields.setdefault("revision", revision(version))
    fields.setdefault("file", f"{name}.yaml")
    needs = tuple(key(need) for need in fields.pop("needs", ()))
    return Deployment(key=key(name), depends_on=needs, **fields)


def by(strategy: Strategy) -> RolloutPolicy:
    return RolloutPolicy(strategy=strategy)


def grant(capability: str, *patterns: str) -> Grant:
    return Grant(capability=capability, patterns=patterns)


def rollout(target: Deployment, phase: RolloutPhase = RolloutPhase.PROGRESSING, stable: str | None = None) -> Rollout:
    return Rollout(target=target, stable=stable, cause=Cause.APPLY, phase=phase)


def rejection(of: Deployment, reason: str = "3 of 5 health checks failed") -> Rejection:
    return Rejection(revision=of.revision.id, seen=of, reason=reason, at_ms=1)


def hold(of: Deployment, reason: str = "rolled back by ops") -> Hold:
    return Hold(revision=of.revision.id, seen=of, reason=reason, at_ms=1)


def record(stable: Deployment | None, **fields: Any) -> Record:
    """A record of something that serves, or with `stable` None and `wanted` given, of something that does not yet."""
    wanted = fields.setdefault("wanted", stable)
    fields.setdefault("source", SOURCE)
    return Record(key=wanted.key, generation=1, stable=stable, **fields)


def running(of: Deployment) -> tuple[ObservedInstance, ...]:
    return tuple(
        ObservedInstance(
            name=f"{of.key.name}-{ordinal}",
            revision=of.revision.id,
            phase=Phase.RUNNING,
            ready=True,
            health=Health.HEALTHY,
        )
        for ordinal in range(0 if of.suspend else of.replicas)
    )


def observed(*members: Deployment | Record | ObservedDeployment, agent: bool = False, serial: int = 7) -> ObservedState:
    return ObservedState(
        lineage="a-state",
        serial=serial,
        deployments=tuple(seen(member, agent) for member in members),
        agent_running=agent,
    )


def seen(member: Deployment | Record | ObservedDeployment, agent: bool) -> ObservedDeployment:
    if isinstance(member, ObservedDeployment):
        return member
    kept = record(member) if isinstance(member, Deployment) else member
    return ObservedDeployment(record=kept, instances=running(kept.stable or kept.wanted) if agent else None)


def desired(*deployments: Deployment, **fields: Any) -> DesiredState:
    return DesiredState(source=SOURCE, deployments=deployments, empty=not deployments, **fields)


def with_fields(of: Deployment, **fields: Any) -> Deployment:
    return msgspec.structs.replace(of, **fields)

"""The exported state as a value, and what it is made of: the observed state without all that a plan has no use for.

The agent and `airs state export` make one; `airs plan --against` reads it. Words that a guest may have written, such as
why it exited, stay behind, since a guest may write a secret into them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec.structs import replace

from orchestrator.model.base import Value, canonical_json
from orchestrator.model.desired import DesiredState
from orchestrator.model.facts import DeploymentFacts
from orchestrator.model.job import JobOutcome
from orchestrator.model.observed import ObservedDeployment, ObservedInstance, ObservedState, Record, Rejection
from orchestrator.model.policy import NO_POLICY, PolicySet
from orchestrator.model.rollout import Rollout
from orchestrator.model.source import FolderSpec, Follow, SourceNote, SourceRecord
from orchestrator.model.spec import Deployment
from orchestrator.model.world import World
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.ruled import Judging
from orchestrator.signing.statement import LATEST_MS
from orchestrator.signing.trust import Trust

FORMAT_VERSION = "1.0"
WORLDS_MAX_BYTES = 16 << 20  # of one state, as JSON; a world beyond is left out, and counted

Moment = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]


class ExportedSource(Value, frozen=True):
    """One source of the agent: `place` is the repository or the root, `path` what is read below it.

    `namespaces` are the only ones that its manifests may name, none for any.
    """

    name: str
    follow: Follow = Follow.APPLIED
    place: str = ""
    path: str = ""
    revision: str | None = None
    read_ms: Moment = 0
    namespaces: tuple[str, ...] = ()


class ExportedState(Value, frozen=True):
    """The state of an agent at one moment, and by whose key it is signed.

    `rules` and `trust` are the policies and the keys that it judges by. `worlds` are those of the artifacts that
    deployments name, by digest, less `worlds_left_out` for which there was no room. `facts` are told in plans: how much
    is stored, how long switches took, who was seen sending. `airs` is the version that made it.
    """

    state: ObservedState
    made_ms: Moment = 0
    airs: str = ""
    public_key: bytes = b""
    sources: tuple[ExportedSource, ...] = ()
    rules: PolicySet = NO_POLICY
    trust: Trust = Trust()
    worlds: dict[str, World] = msgspec.field(default_factory=dict)
    worlds_left_out: int = 0
    facts: tuple[DeploymentFacts, ...] = ()
    format_version: str = FORMAT_VERSION


class SourceFacts(NamedTuple):
    """All that an agent knows of its sources, by name."""

    records: Mapping[str, SourceRecord]
    notes: Mapping[str, SourceNote]
    desired: Mapping[str, DesiredState]


def export(observed: ObservedState, sources: SourceFacts, judging: Judging, known: KnownFacts) -> ExportedState:
    """Return the state that is exported of all that, without when and by what it was made."""
    worlds, left_out = fitting_worlds(artifacts_of(observed), known.world)
    facts = (known.facts(seen.record.key) for seen in observed.deployments)
    return ExportedState(
        state=exported_state(observed), sources=exported_sources(sources), rules=exported_rules(judging.rules),
        trust=judging.trust or Trust(), worlds=worlds, worlds_left_out=left_out,
        facts=tuple(one for one in facts if one is not None),
    )  # fmt: skip


def exported_sources(facts: SourceFacts) -> tuple[ExportedSource, ...]:
    """Return the inventory of sources, by name."""
    names = sorted({*facts.records, *facts.desired})
    return tuple(_source(n, facts.records.get(n), facts.notes.get(n), facts.desired.get(n)) for n in names)


def exported_state(observed: ObservedState) -> ObservedState:
    """Return the observed state with what a plan is made from, and nothing else."""
    return replace(observed, deployments=tuple(map(_deployment, observed.deployments)))


def exported_rules(rules: PolicySet) -> PolicySet:
    """Return the policies, and approvals without the persons who gave them."""
    return replace(rules, approvals=tuple(replace(one, by=None, why="") for one in rules.approvals))


def artifacts_of(observed: ObservedState) -> tuple[str, ...]:
    """Name the artifacts that deployments run, lead to or were asked for, once each."""
    specs = (spec for seen in observed.deployments for spec in specs_of(seen.record))
    return tuple(dict.fromkeys(spec.revision.artifact for spec in specs))


def specs_of(record: Record) -> tuple[Deployment, ...]:
    """Return the specs that a record is about: the one that serves first."""
    leading = record.rollout.target if record.rollout is not None else None
    return tuple(spec for spec in (record.stable, leading, record.wanted) if spec is not None)


def fitting_worlds(
    artifacts: Iterable[str], world: Callable[[str], World | None], max_bytes: int = WORLDS_MAX_BYTES
) -> tuple[dict[str, World], int]:
    """Return the worlds for which there is room, and how many were left out."""
    found, left_out, room = dict[str, World](), 0, max_bytes
    for artifact in artifacts:
        one = world(artifact)
        size = len(canonical_json(one)) if one is not None else 0
        if one is None or size > room:
            left_out += 1
        else:
            found[artifact], room = one, room - size
    return found, left_out


def _source(
    name: str, record: SourceRecord | None, note: SourceNote | None, desired: DesiredState | None
) -> ExportedSource:  # fmt: skip
    spec, follow = (record.spec, record.follow) if record is not None else (None, Follow.APPLIED)
    if isinstance(spec, FolderSpec):
        place, path = spec.root, "/".join(part for part in (spec.folder, spec.file) if part)
    elif spec is not None:
        place, path = spec.repository, spec.path
    else:
        place = desired.root if desired is not None else ""
        path = _below(name, place)
    read_ms = note.read_ms if note is not None else 0
    revision = desired.revision if desired is not None else None
    return ExportedSource(
        name=name, follow=follow, place=place, path=path, revision=revision, read_ms=read_ms,
        namespaces=spec.namespaces if spec is not None else (),
    )  # fmt: skip


def _below(name: str, place: str) -> str:
    """Return the path that a source's name ends in, which is a path itself or REPOSITORY#ref:path."""
    if not place or not name.startswith(place):
        return ""
    rest = name.removeprefix(place)
    return rest.partition(":")[2] if rest.startswith("#") else rest.strip("/")


def _deployment(seen: ObservedDeployment) -> ObservedDeployment:
    instances = None if seen.instances is None else tuple(map(_instance, seen.instances))
    return ObservedDeployment(
        record=_record(seen.record), instances=instances, messages_per_s=seen.messages_per_s, missing=seen.missing,
        restarting=seen.restarting,
    )  # fmt: skip


def _instance(seen: ObservedInstance) -> ObservedInstance:
    return ObservedInstance(name=seen.name, revision=seen.revision, phase=seen.phase, ready=seen.ready)


def _record(record: Record) -> Record:
    held = record.held
    return replace(
        record,
        rejected=tuple(map(_rejection, record.rejected)),
        held=replace(held, reason=_own_words(held.reason)) if held is not None else None,
        rollout=_rollout(record.rollout) if record.rollout is not None else None,
        job=replace(record.job, outcome=_outcome(record.job.outcome)) if record.job is not None else None,
    )


def _rejection(rejection: Rejection) -> Rejection:
    return replace(rejection, reason=_own_words(rejection.reason))


def _rollout(rollout: Rollout) -> Rollout:
    return replace(rollout, conclusion=_own_words(rollout.conclusion))


def _outcome(outcome: JobOutcome) -> JobOutcome:
    reason = outcome.reason
    return replace(outcome, reason=replace(reason, detail="", backtrace=()) if reason is not None else None)


def _own_words(reason: str) -> str:
    """Return the words of airs: those of a guest, or of a person, follow a colon."""
    return reason.partition(": ")[0]

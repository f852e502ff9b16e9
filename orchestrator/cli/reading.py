"""From a path on the command line to a plan: read the source here, ask the agent (or the record) what is, compare.

Used by `validate`, `plan` and `apply`; the files are read with the caller's own permissions, never by the agent.
"""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.cli.compiling import Progress
from orchestrator.cli.context import Settings, silent_holder
from orchestrator.cli.inspecting import Inspector
from orchestrator.contract.codes import FAILED, INVALID, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.manifest import references, resolve
from orchestrator.model.desired import Permissions, Resolution
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState
from orchestrator.model.snapshot import Artifact, Snapshot, Unknown
from orchestrator.model.source import SourceSpec
from orchestrator.plan.document import Plan
from orchestrator.plan.make import make_plan
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.open import open_source
from orchestrator.source.spec import SourceRefused, parse_source
from orchestrator.store.layout import CACHE

if TYPE_CHECKING:
    from orchestrator.store.state_dir import StateDir

ARTIFACT_MAX = 128 << 20


class NamedSource(msgspec.Struct, frozen=True):
    """A source as named on the command line."""

    path: str
    source: str | None = None
    root: str | None = None

    def spec(self) -> SourceSpec:
        """Decide what it names.

        Raises:
            Failure: it is nothing that can be read.
        """
        try:
            return parse_source(self.path, name=self.source, root=self.root, cwd=Path.cwd())
        except SourceRefused as refused:
            raise Failure(refused.summary, refused.detail, refused.suggestion, USAGE) from None


def read_snapshot(place: NamedSource, settings: Settings, *, for_agent: bool = False) -> Snapshot:
    """Read a source once, showing the compilations for that; the state directory need not exist.

    `for_agent` makes it, so that an agent that is about to start finds the compiled code.

    Raises:
        Failure: it cannot be read, which says nothing about what it holds.
    """
    spec, state_dir = place.spec(), settings.state_dir
    cache = state_of(settings).cache if for_agent else state_dir / CACHE
    with Progress(settings.err()) as progress:
        return _read(spec, state_dir, Inspector(cache, progress.heard, settings.calls))


def _read(spec: SourceSpec, state_dir: Path, inspector: Inspector) -> Snapshot:
    try:
        artifacts = ArtifactCache(inspector.inspect)
        source = open_source(
            spec, references=references, artifacts=artifacts, work_dir=state_dir / "git",
            passed_on=passed_to_git(),
        )  # fmt: skip
        answer = source.read()
    finally:
        inspector.close()
    if isinstance(answer, Unknown):
        failure = answer.failure
        raise Failure(failure.summary, failure.detail, failure.suggestion, FAILED)
    return answer.snapshot


def read_wasm(file: Path) -> bytes:
    """Read a component's file.

    Raises:
        Failure: it cannot be read, or is larger than any component.
    """
    try:
        if file.stat().st_size > ARTIFACT_MAX:
            raise Failure(f"{file} is over {ARTIFACT_MAX >> 20} MiB", exit_code=INVALID)
        return file.read_bytes()
    except OSError as problem:
        raise Failure(f"cannot read {file}", str(problem.strerror), exit_code=USAGE) from None


def passed_to_git() -> dict[str, str]:
    """Return the part of the environment that git may see: the ssh agent's socket."""
    return {name: os.environ[name] for name in ("SSH_AUTH_SOCK",) if name in os.environ}


def observed_state(settings: Settings) -> ObservedState:
    """Ask the agent for the observed state; without one, read the records."""
    client = settings.connection()
    if client.answers():
        return client.state()
    silent = silent_holder(settings.state_dir)
    if silent is not None:  # it may be writing what would be read
        raise silent
    from orchestrator.store.state_dir import read_recorded  # with the database, for which nobody waits otherwise

    return read_recorded(settings.state_dir)


def resolve_here(
    snapshot: Snapshot, known: Collection[DeploymentKey], permissions: Permissions | None = None
) -> Resolution:
    """Resolve a snapshot with the permissions of the command line."""
    return resolve(snapshot, known, permissions or Permissions())


class PlanAndArtifacts(msgspec.Struct, frozen=True):
    """A plan, and the artifacts that it needs by digest."""

    plan: Plan
    artifacts: dict[str, bytes]


def make_plan_for(settings: Settings, snapshot: Snapshot, permissions: Permissions) -> PlanAndArtifacts:
    """Resolve a snapshot and compare it with the observed state."""
    observed = observed_state(settings)
    known = [seen.record.key for seen in observed.deployments]
    resolution = resolve_here(snapshot, known, permissions)
    plan = make_plan(resolution.desired, observed, resolution.diagnostics)
    return PlanAndArtifacts(plan, artifacts_of(snapshot))


def artifacts_of(snapshot: Snapshot) -> dict[str, bytes]:
    """Return every artifact of a snapshot by digest."""
    return {entry.digest: entry.data for entry in snapshot.files.values() if isinstance(entry, Artifact)}


def state_of(settings: Settings) -> "StateDir":
    """Return the state directory."""
    from orchestrator.store.state_dir import StateDir  # with the database, for which nobody waits otherwise

    return StateDir(settings.state_dir)


def keep_artifacts(state: "StateDir", planned: PlanAndArtifacts) -> None:
    """Put what the plan's deployments run into the content-addressed store, so that the plan can be applied later."""
    for digest in {deployment.revision.artifact for deployment in planned.plan.desired.deployments}:
        if not state.artifacts.claim(digest):
            state.artifacts.put(planned.artifacts[digest])


def refuse_invalid(diagnostics: Iterable[Diagnostic]) -> None:
    """End with exit code 65 if there is any error.

    Raises:
        Failure: there is one; the diagnostics themselves are the caller's to print.
    """
    errors = sum(diagnostic.is_error for diagnostic in diagnostics)
    if errors:
        raise Failure(f"{errors} error{'s' if errors > 1 else ''} in the manifests", exit_code=INVALID)

"""From a path on the command line to a plan: ask the agent for it, or read the source here and compare.

Used by `validate`, `plan` and `apply`. The agent is asked for the plan of a folder, of which it may remember much. Any
plan that it does not make as it would be made here is made here, against what the agent (or the record) says there is.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.cli.compiling import Progress
from orchestrator.cli.context import Settings, silent_holder
from orchestrator.cli.excerpts import Find, of_snapshot
from orchestrator.cli.inspecting import Inspector
from orchestrator.cli.judging import judging_for
from orchestrator.cli.knowing import KnownHere
from orchestrator.contract.bodies import PlanWish, SourceWish
from orchestrator.contract.codes import FAILED, INVALID, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.contract.standpoint import standpoint
from orchestrator.decoding import from_json
from orchestrator.manifest import Resolver, component_uses, may_hold_overlays, overlay_uses
from orchestrator.model.audit import AuditKind
from orchestrator.model.desired import Permissions, Resolution
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState
from orchestrator.model.signed import Signer
from orchestrator.model.snapshot import Artifact, Content, Snapshot, Unknown
from orchestrator.model.source import FolderSpec, SourceSpec
from orchestrator.model.verification import Verification
from orchestrator.model.world import World
from orchestrator.plan.document import Plan
from orchestrator.plan.make import make_plan
from orchestrator.signing.dsse import SUFFIX
from orchestrator.signing.statement import Subject
from orchestrator.signing.trust import Trust
from orchestrator.source.access import Access, GitAccess
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.open import open_source
from orchestrator.source.spec import SourceRefused, parse_source
from orchestrator.store.layout import CACHE, SIGNATURES, TRUST
from orchestrator.store.trust import TrustStore

if TYPE_CHECKING:
    from orchestrator.store.state_dir import StateDir

ARTIFACT_MAX = 128 << 20
NO_MORE = Permissions()


class NamedSource(msgspec.Struct, frozen=True):
    """A source as named on the command line."""

    path: str
    source: str | None = None
    root: str | None = None
    verify: Verification | None = None
    namespaces: tuple[str, ...] = ()

    def spec(self) -> SourceSpec:
        """Decide what it names.

        Raises:
            Failure: it is nothing that can be read.
        """
        try:
            return parse_source(
                self.path, name=self.source, root=self.root, cwd=Path.cwd(), verify=self.verify,
                namespaces=self.namespaces,
            )  # fmt: skip
        except SourceRefused as refused:
            raise Failure(refused.summary, refused.detail, refused.suggestion, USAGE) from None


class ReadSource(NamedTuple):
    """A source as it was read, and the resolver for which its files were parsed meanwhile."""

    snapshot: Snapshot
    resolver: Resolver

    def resolution(self, known: Collection[DeploymentKey] = (), permissions: Permissions = NO_MORE) -> Resolution:
        """Resolve it with the permissions of the command line; `known` are deployments that exist elsewhere."""
        return self.resolver.resolve(self.snapshot, known, permissions)


def read_source(
    place: NamedSource, settings: Settings, *, for_agent: bool = False, trust: Trust | None = None
) -> ReadSource:  # fmt: skip
    """Read a source once, showing the compilations for that; the state directory need not exist.

    `for_agent` makes it, so that an agent that is about to start finds the compiled code. Signers go by the names that
    `trust` has for them, by default those of the state directory.

    Raises:
        Failure: it cannot be read, which says nothing about what it holds.
    """
    spec = place.spec()
    cache = state_of(settings).cache if for_agent else None
    keys = TrustStore(settings.state_dir / TRUST).read if trust is None else lambda: trust
    with inspected_by(settings, cache) as inspect:
        artifacts = ArtifactCache(inspect)
        return _read(spec, settings, Resolver(keys), artifacts)


@contextmanager
def inspected_by(settings: Settings, cache: Path | None = None) -> Iterator[Callable[[bytes, str], World]]:
    """Yield what inspects artifacts while the block runs, and show what is compiled for that.

    Code and worlds are shared in `cache`, by default the state directory's, if there is one.
    """
    with Progress(settings.err()) as progress:
        inspector = Inspector(cache or settings.state_dir / CACHE, progress.heard, settings.calls)
        try:
            yield inspector.inspect
        finally:
            inspector.close()


def _read(spec: SourceSpec, settings: Settings, resolver: Resolver, artifacts: ArtifactCache) -> ReadSource:
    source = open_source(
        spec, references=resolver.references, artifacts=artifacts, work_dir=settings.state_dir / "git",
        passed_on=passed_to_git(), access=git_access(settings),
    )  # fmt: skip
    answer = source.read()
    if isinstance(answer, Unknown):
        failure = answer.failure
        raise Failure(failure.summary, failure.detail, failure.suggestion, FAILED)
    return ReadSource(_with_components(answer.snapshot, settings, artifacts), resolver)


def _with_components(snapshot: Snapshot, settings: Settings, artifacts: ArtifactCache) -> Snapshot:
    if not any(_wants(path, entry.data, snapshot) for path, entry in _manifests(snapshot)):
        return snapshot
    from orchestrator.cli.fetching import (
        snapshot_with_components,
    )  # with HTTP and TLS, for which nobody waits otherwise

    return snapshot_with_components(settings, snapshot, artifacts)


def _wants(path: str, data: bytes, snapshot: Snapshot) -> bool:
    """Whether a manifest wants components fetched, by itself or for what its overlays come to."""
    if component_uses(path, data):
        return True
    return may_hold_overlays(data) and bool(overlay_uses(path, snapshot.files).components)


def _manifests(snapshot: Snapshot) -> Iterator[tuple[str, Content]]:
    for path in snapshot.manifests:
        entry = snapshot.files.get(path)
        if isinstance(entry, Content):
            yield path, entry


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


def git_access(settings: Settings) -> Access:
    """Return what names the operator's files for a host; the settings are read once a host is asked."""

    def access(host: str, port: int) -> GitAccess:
        if not host:
            return GitAccess()
        from orchestrator.fetch.limits import fetch_settings  # for repositories elsewhere alone

        return fetch_settings(settings.configured).git_of(host, port)

    return access


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


class PlanMade(NamedTuple):
    """A plan, how many deployments its source wants, and the lines that its diagnostics are about.

    `artifacts` are those that it needs, by digest; there are none where the agent keeps them already. `observed` is the
    state that it was compared with; None where the agent made the plan.
    """

    plan: Plan
    wanted: int
    find: Find
    artifacts: dict[str, bytes]
    signatures: tuple[bytes, ...] = ()
    observed: ObservedState | None = None


def make_plan_for(settings: Settings, source: ReadSource, permissions: Permissions) -> PlanMade:
    """Resolve a source and compare it with the observed state."""
    observed = observed_state(settings)
    keys = [seen.record.key for seen in observed.deployments]
    resolution = source.resolution(keys, permissions)
    if any(deployment.revision.secrets for deployment in resolution.desired.deployments):
        from orchestrator.cli.secrets_here import with_secrets  # which most sources name none of

        resolution = with_secrets(settings, resolution)
    known = KnownHere(settings, source.snapshot, keys).known
    plan = make_plan(resolution.desired, observed, resolution.diagnostics, judging_for(settings), known)
    find, artifacts = of_snapshot(source.snapshot), artifacts_of(source.snapshot)
    signatures = signatures_of(source.snapshot)
    return PlanMade(plan, len(plan.desired.deployments), find, artifacts, signatures, observed)


def plan_by_agent(
    settings: Settings, place: NamedSource, permissions: Permissions, *, whole: bool = False, kept: bool = False
) -> PlanMade | None:
    """Ask the agent for a plan; None where there is none, or it does not make this one.

    Its deployments are left out unless it is to be `whole`; its artifacts are `kept` for a plan that is saved.
    """
    spec, here = place.spec(), standpoint()
    if not isinstance(spec, FolderSpec) or here is None:
        return None
    try:
        source = SourceWish(
            path=place.path, cwd=str(Path.cwd()), name=place.source, root=place.root, permissions=permissions,
            namespaces=place.namespaces,
        )  # fmt: skip
        client = settings.connection()
        if not client.answers():
            return None
        planned = client.plan(PlanWish(source=source, spec=spec, standpoint=here, whole=whole, kept=kept))
    except (Failure, UnicodeEncodeError):  # all that is wrong is told by the way that does without
        return None
    lines = {(one.file, one.line): one.text for one in planned.lines}
    plan = from_json(bytes(planned.plan), Plan)
    return PlanMade(plan, planned.wanted, lambda location: lines.get((location.file, location.line)), {})


def artifacts_of(snapshot: Snapshot) -> dict[str, bytes]:
    """Return every artifact of a snapshot by digest."""
    return {entry.digest: entry.data for entry in snapshot.files.values() if isinstance(entry, Artifact)}


def signatures_of(snapshot: Snapshot) -> tuple[bytes, ...]:
    """Return the files of signatures of a snapshot."""
    files = snapshot.files.items()
    return tuple(e.data for path, e in files if path.endswith(SUFFIX) and isinstance(e, Content))


def state_of(settings: Settings) -> "StateDir":
    """Return the state directory."""
    from orchestrator.store.state_dir import StateDir  # with the database, for which nobody waits otherwise

    return StateDir(settings.state_dir)


def keep_artifacts(state: "StateDir", planned: PlanMade) -> None:
    """Put what the plan's deployments run into the content-addressed store, so that the plan can be applied later."""
    digests = {deployment.revision.artifact for deployment in planned.plan.desired.deployments}
    state.artifacts.keep(digests, planned.artifacts)
    if planned.signatures:
        keep_signatures(state, planned)


def keep_signatures(state: "StateDir", planned: PlanMade) -> None:
    """Keep the signatures on the plan's artifacts, noting down each that is new."""
    from orchestrator.agent.attestation import verified_facts  # which few sources have use for
    from orchestrator.cli.audited import note_down
    from orchestrator.store.signatures import KeptSignatures

    def tell(subject: Subject, signers: tuple[Signer, ...]) -> None:
        note_down(state, AuditKind.VERIFIED, f"{subject.name} {subject.version}", **verified_facts(subject, signers))

    KeptSignatures(state.path / SIGNATURES).keep(planned.signatures, planned.artifacts.keys(), tell)


def refuse_invalid(diagnostics: Iterable[Diagnostic]) -> None:
    """End with exit code 65 if there is any error in the manifests, with 1 if something was only not fetched.

    Raises:
        Failure: there is one; the diagnostics themselves are the caller's to print.
    """
    found = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    errors = sum(not diagnostic.is_failure for diagnostic in found)
    if errors:
        raise Failure(f"{errors} error{'s' if errors > 1 else ''} in the manifests", exit_code=INVALID)
    if found:
        detail = "Instances go on as they are. An agent that watches the source tries again by itself."
        raise Failure(not_fetched(found), detail, "Run this again once the server answers.", FAILED)


def not_fetched(failures: Iterable[Diagnostic]) -> str:
    """Say how many components were not fetched, each counted once however many deployments name it."""
    count = len({diagnostic.summary for diagnostic in failures})
    return f"{count} components were not fetched" if count > 1 else "a component was not fetched"

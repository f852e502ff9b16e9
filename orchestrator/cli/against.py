"""`airs plan --against`: plans on a machine without agent and state, compared with a state that was named.

The state is an exported one, in a file or behind a URL, what another revision of the same repository wants, or nothing.
Nothing here asks an agent or looks into a state directory, so that the same plan is made wherever it is made.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.cli.context import Settings
from orchestrator.cli.excerpts import of_snapshot
from orchestrator.cli.judging import configured_place, policies_at
from orchestrator.cli.knowing import worlds_in
from orchestrator.cli.reading import (
    NamedSource,
    PlanMade,
    ReadSource,
    artifacts_of,
    git_access,
    inspected_by,
    passed_to_git,
    read_source,
    signatures_of,
)
from orchestrator.cli.show import show_diagnostics
from orchestrator.cli.state import opened_as, read_state
from orchestrator.cli.terminal import Text
from orchestrator.contract.codes import FAILED, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.exported.document import ExportedSource, ExportedState
from orchestrator.exported.signed import STATE_MAX_BYTES
from orchestrator.exported.standing import as_running, placed_as, taken_for, with_secrets_of
from orchestrator.manifest import Resolver
from orchestrator.model.base import digest_of
from orchestrator.model.desired import Permissions
from orchestrator.model.facts import DeploymentFacts
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState
from orchestrator.model.policy import NO_POLICY, PolicySet
from orchestrator.model.snapshot import Snapshot, SourceAnswer, Unknown
from orchestrator.model.source import FolderSpec, GitSpec, SourceSpec
from orchestrator.model.world import World
from orchestrator.observe.events import printable
from orchestrator.plan.against import Against, AgainstKind
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.make import plan_to_show
from orchestrator.plan.ruled import Judging
from orchestrator.signing.keys import key_id
from orchestrator.signing.trust import Trust
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.command import GitFailed
from orchestrator.source.open import open_source
from orchestrator.source.revision import RevisionPlace
from orchestrator.time_of_day import wall_ms

EMPTY = "empty"
AIRS_MAX = 40  # characters of a version that are shown
NAMED_MAX = 5  # sources that are named in a sentence


class Base(NamedTuple):
    """A state to compare with; `sources`, `rules`, `trust` and `facts` are there where it was exported."""

    observed: ObservedState
    against: Against
    sources: tuple[ExportedSource, ...] = ()
    rules: PolicySet | None = None
    trust: Trust | None = None
    worlds: Mapping[str, World] = {}
    facts: tuple[DeploymentFacts, ...] = ()


def plan_against(
    settings: Settings, place: NamedSource, permissions: Permissions, named: str, key: str | None
) -> PlanMade:  # fmt: skip
    """Plan a source against the state that `named` names; `key` is whose signature it must have, None for anybody's.

    Raises:
        Failure: the state or the source cannot be read.
    """
    base = base_for(settings, place, named, key)
    taken = _taken(settings, place, base)
    read_as = place
    if taken is not None:
        read_as = replace(place, source=taken.name, namespaces=place.namespaces or taken.namespaces)
    source = read_source(read_as, settings, trust=base.trust)
    observed = base.observed
    resolution = source.resolution([seen.record.key for seen in observed.deployments], permissions)
    desired = with_secrets_of(resolution.desired, observed)
    desired = desired if taken is None else placed_as(desired, taken)
    known = known_of(base, source.snapshot)
    plan = plan_to_show(desired, observed, resolution.diagnostics, judging_against(settings, base), known)
    plan = replace(plan, against=base.against)
    plan = replace(plan, digest=digest_of(plan))
    snapshot = source.snapshot
    return PlanMade(
        plan, len(plan.desired.deployments), of_snapshot(snapshot), artifacts_of(snapshot), signatures_of(snapshot),
        observed,
    )  # fmt: skip


def known_of(base: Base, snapshot: Snapshot) -> KnownFacts:
    """Return what is known beside the state: worlds of what runs and is planned, and the facts that came with it."""
    facts = {one.key: one for one in base.facts}

    def senders(target: DeploymentKey) -> list[DeploymentKey]:
        return [each.sender for each in facts[target].senders] if target in facts else []

    return KnownFacts({**base.worlds, **worlds_in(snapshot)}.get, senders, facts.get)


def base_for(settings: Settings, place: NamedSource, named: str, key: str | None) -> Base:
    """Return the state that is named: a file before a revision.

    Raises:
        Failure: there is none, or it cannot be believed.
    """
    if named == EMPTY:
        return Base(ObservedState(lineage="", serial=0), Against(kind=AgainstKind.EMPTY))
    if named.startswith(("https://", "http://")):
        state = opened_as(_downloaded(settings, named), named, key)
        return _exported(settings, state, AgainstKind.URL, named, is_key_asked=key is not None)
    if os.path.lexists(named):
        state = read_state(Path(named), key)
        return _exported(settings, state, AgainstKind.FILE, named, is_key_asked=key is not None)
    if key is not None:
        raise Failure(f"there is no file {named}", "--state-key is for an exported state.", exit_code=USAGE)
    return _revision(settings, place, named)


def judging_against(settings: Settings, base: Base) -> Judging:
    """Return the policies for a plan against a state: those that were named, else those that it was exported with."""
    place = configured_place(settings)
    rules = policies_at(settings, place) if place else base.rules or NO_POLICY
    machine = base.rules.machine if base.rules is not None else None
    return Judging(rules=replace(rules, machine=machine), now_ms=wall_ms(), trust=base.trust)


def _exported(
    settings: Settings, state: ExportedState, kind: AgainstKind, place: str, *, is_key_asked: bool
) -> Base:  # fmt: skip
    if state.worlds_left_out:
        told = f"the state lacks the worlds of {state.worlds_left_out} artifacts: callers of these are not looked for"
        settings.err().print(Text(told, style="yellow"))
    against = Against(
        kind=kind, place=place, made_ms=state.made_ms, airs=state.airs[:AIRS_MAX], key_id=key_id(state.public_key),
        is_key_asked=is_key_asked,
    )  # fmt: skip
    return Base(state.state, against, state.sources, state.rules, state.trust, state.worlds, state.facts)


def _downloaded(settings: Settings, url: str) -> bytes:
    from orchestrator.cli.fetching import http_of, settings_of  # with TLS, which a file has no use for
    from orchestrator.fetch.credentials import url_login
    from orchestrator.fetch.http import check_status, target_of
    from orchestrator.fetch.limits import FetchFailed

    try:
        login = url_login(settings_of(settings), target_of(url).host)
        authorization = login.basic if login else ""
        with http_of(settings).send("GET", url, {}, authorization=authorization) as answer:
            check_status(answer, "exported state")
            return answer.body(STATE_MAX_BYTES)
    except FetchFailed as failed:
        raise Failure(failed.summary, failed.detail, failed.suggestion, FAILED) from None


def _revision(settings: Settings, place: NamedSource, revision: str) -> Base:
    """Return the state in which everything has arrived that a revision of the source's repository wants."""
    spec = place.spec()
    resolver = Resolver()
    with inspected_by(settings) as inspect:
        answer = _answer(settings, spec, revision, resolver, ArtifactCache(inspect))
    if isinstance(answer, Unknown):
        failure = answer.failure
        raise Failure(f"--against {revision}: {failure.summary}", failure.detail, failure.suggestion, FAILED)
    resolution = ReadSource(answer.snapshot, resolver).resolution()
    if resolution.desired.invalid or resolution.desired.unreadable_files:
        told = f"{revision} has errors: its invalid deployments count as not there"
        settings.err().print(Text(printable(told), style="yellow"))
        show_diagnostics(settings.err(), [one for one in resolution.diagnostics if one.is_error])
    commit = answer.snapshot.commit
    against = Against(
        kind=AgainstKind.REVISION, place=revision, commit=commit.id if commit else "",
        subject=commit.subject if commit else "",
    )  # fmt: skip
    desired = replace(resolution.desired, source=spec.identity)
    return Base(as_running(desired), against, worlds=worlds_in(answer.snapshot))


def _answer(
    settings: Settings, spec: SourceSpec, revision: str, resolver: Resolver, artifacts: ArtifactCache
) -> SourceAnswer:  # fmt: skip
    repository, path = _place_in_repository(spec, revision)
    if isinstance(spec, GitSpec) and spec.transport != "file":
        return open_source(
            replace(spec, ref=revision), references=resolver.references, artifacts=artifacts,
            work_dir=settings.state_dir / "git", passed_on=passed_to_git(),
            access=git_access(settings),
        ).read()  # fmt: skip
    where = RevisionPlace(spec.identity, repository, path)
    try:
        commit = where.commit_of(revision)
    except GitFailed as failed:
        raise Failure(
            f"{revision} is neither a file nor a revision of {repository}", failed.said,
            "Name an exported state, `empty`, or a commit that is here: a shallow clone holds few "
            "(`git fetch --unshallow`).", USAGE,
        ) from None  # fmt: skip
    return where.read(commit, resolver.references, artifacts)


def _place_in_repository(spec: SourceSpec, named: str) -> tuple[str, str]:
    if isinstance(spec, GitSpec):
        return spec.repository, spec.path
    if not spec.work_tree:
        raise Failure(
            f"there is no file {named}", f"It is no revision either: {spec.path} lies in no git work tree.",
            "Name an exported state (`airs state export --out FILE`), or `empty`.", USAGE,
        )  # fmt: skip
    return spec.work_tree, path_in_work_tree(spec)


def path_in_work_tree(spec: FolderSpec) -> str:
    """Return where a folder or file lies in the git work tree around it; empty for the work tree itself."""
    relative = os.path.relpath(spec.path, spec.work_tree)
    return "" if relative == "." else relative


def _taken(settings: Settings, place: NamedSource, base: Base) -> ExportedSource | None:
    """Return the source of an exported state that is planned here; None for one that it does not have.

    Raises:
        Failure: it may be several.
    """
    if not base.sources:
        return None
    spec = place.spec()
    path = spec.path if isinstance(spec, GitSpec) else path_in_work_tree(spec) if spec.work_tree else None
    taken = taken_for(spec.identity, "\0" if path is None else path, () if place.source else base.sources)
    if len(taken.sources) > 1:
        raise Failure(
            f"{place.path} may be {len(taken.sources)} sources of that state", _named(taken.sources),
            "Name the one that is meant with --source.", USAGE,
        )  # fmt: skip
    if taken.source is None and place.source is None:
        told = f"no source of that state is {place.path}: deployments of {_named(base.sources)} count as another's"
        settings.err().print(Text(printable(told), style="yellow"))
        settings.err().print(Text("    → name the source that it is with --source", style="cyan"))
    return taken.source


def _named(sources: tuple[ExportedSource, ...]) -> str:
    rest = len(sources) - NAMED_MAX
    return ", ".join([*(one.name for one in sources[:NAMED_MAX]), *([f"and {rest} more"] if rest > 0 else [])])

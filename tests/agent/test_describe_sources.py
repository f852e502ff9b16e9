"""One row per situation of a source: the word that a deployment of it gets, and since when nobody looks."""

from typing import Any

import pytest

from orchestrator.agent.describe_sources import (
    SourceSeen,
    Sync,
    blocked_in,
    is_invalid,
    not_watched_since_ms,
    seen_sources,
    sync_of,
    why_invalid,
)
from orchestrator.model.desired import DesiredState
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.source import NOBODY, FolderSpec, Follow, SourceNote, SourceRecord, SourceStatus
from tests.plan.build import SOURCE, deployment, hold, record

ONE, TWO = deployment(version="1.0.0"), deployment(version="2.0.0")
SPEC = FolderSpec(identity=SOURCE, root="/srv", root_reason="", folder="manifests")
AT_MS, READ_MS, WATCHED_MS, STALE_MS = 1_000, 2_000, 2_500, 3_000


def source(
    follow: Follow | None, *, stale: bool = False, agent: bool = True, noted: bool = True, **desired: Any
) -> SourceSeen:
    followed = None
    if follow is not None:
        spec = None if follow is Follow.APPLIED else SPEC
        followed = SourceRecord(name=SOURCE, follow=follow, since_ms=AT_MS, spec=spec)
    status = SourceStatus(source=SOURCE, stale_since_ms=STALE_MS if stale else None)
    note = SourceNote(status=status, read_ms=READ_MS, watched_ms=WATCHED_MS) if noted else None
    wants = DesiredState(source=SOURCE, deployments=(ONE,), **desired)
    return SourceSeen(SOURCE, followed, note, wants, is_agent_running=agent)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (source(Follow.WATCHED), Sync.SYNCED),
        (source(Follow.UP), Sync.SYNCED),
        (source(Follow.WATCHED, stale=True), Sync.STALE),
        (source(Follow.UP, stale=True), Sync.STALE),
        (source(Follow.SUSPENDED), Sync.SUSPENDED),
        (source(Follow.SUSPENDED, stale=True), Sync.SUSPENDED),
        (source(Follow.UNWATCHED), Sync.NOT_WATCHED),
        (source(Follow.APPLIED), Sync.APPLIED),
        (source(None, noted=False), Sync.APPLIED),
        (source(Follow.WATCHED, agent=False), Sync.NOT_WATCHED),
        (source(Follow.UP, agent=False), Sync.NOT_WATCHED),
        (source(Follow.SUSPENDED, agent=False), Sync.SUSPENDED),
        (source(Follow.APPLIED, agent=False), Sync.APPLIED),
        *((source(follow, invalid=(ONE.key,)), Sync.INVALID) for follow in Follow),
        (source(Follow.WATCHED, stale=True, invalid=(ONE.key,)), Sync.INVALID),
        (source(Follow.WATCHED, unreadable_files=(ONE.file,)), Sync.INVALID),
        (source(Follow.WATCHED, unreadable_files=("another.yaml",)), Sync.SYNCED),
    ],
)
def test_what_serves_as_wanted_is_synced_only_while_somebody_looks(seen: SourceSeen, expected: Sync) -> None:
    assert sync_of(record(ONE), seen) is expected


@pytest.mark.parametrize("follow", Follow)
def test_what_is_held_or_on_its_way_is_never_called_anything_better(follow: Follow) -> None:
    assert sync_of(record(ONE, wanted=TWO, held=hold(TWO)), source(follow)) is Sync.HELD
    assert sync_of(record(ONE, wanted=TWO), source(follow)) is Sync.OUT_OF_SYNC
    assert sync_of(record(None, wanted=TWO), source(follow)) is Sync.OUT_OF_SYNC


def test_what_belongs_to_no_source_says_so() -> None:
    assert sync_of(record(ONE, source=NOBODY), SourceSeen(NOBODY)) is Sync.UNOWNED


def test_an_invalid_manifest_is_named_by_its_place() -> None:
    problems = [
        Diagnostic(severity=Severity.WARNING, summary="odd", location=Location(file=ONE.file, line=1, column=1)),
        Diagnostic(severity=Severity.ERROR, summary="elsewhere", location=Location(file="another.yaml")),
        Diagnostic(severity=Severity.ERROR, summary="unknown key", location=Location(file=ONE.file, line=9, column=3)),
        Diagnostic(severity=Severity.ERROR, summary="and more", location=Location(file=ONE.file, line=10, column=3)),
    ]
    status = SourceStatus(source=SOURCE, diagnostics=tuple(problems))
    seen = source(Follow.WATCHED, invalid=(ONE.key,))._replace(note=SourceNote(status=status, read_ms=1))
    assert "hello.yaml:9:3: unknown key (and 1 more)" in why_invalid(record(ONE), seen)
    assert why_invalid(record(ONE), source(Follow.WATCHED)) == ""
    assert not is_invalid(record(ONE), None)


def test_an_invalid_component_is_named_where_the_manifest_is_not_to_blame() -> None:
    problem = Diagnostic(severity=Severity.ERROR, summary="no memory", location=Location(file="Component.toml"))
    status = SourceStatus(source=SOURCE, diagnostics=(problem,))
    seen = source(Follow.WATCHED, invalid=(ONE.key,))._replace(note=SourceNote(status=status, read_ms=1))
    assert "Component.toml: no memory" in why_invalid(record(ONE), seen)


@pytest.mark.parametrize(
    ("seen", "since"),
    [
        (source(Follow.WATCHED), None),
        (source(Follow.UP), None),
        (source(Follow.APPLIED), None),
        (source(Follow.APPLIED, agent=False), None),
        (source(Follow.UNWATCHED), AT_MS),
        (source(Follow.SUSPENDED), AT_MS),
        (source(Follow.SUSPENDED, agent=False), AT_MS),
        (source(Follow.WATCHED, agent=False), WATCHED_MS),
        (source(Follow.UP, agent=False), WATCHED_MS),
        (source(Follow.WATCHED, agent=False, noted=False), None),
    ],
)
def test_since_when_nobody_looks_is_known_as_far_as_it_was_noted(seen: SourceSeen, since: int | None) -> None:
    assert not_watched_since_ms(seen) == since


def test_every_source_that_is_followed_or_owns_something_is_listed_and_nobody_is_none() -> None:
    follows = {"b": Follow.WATCHED, "c": Follow.APPLIED, "d": Follow.SUSPENDED, "e": Follow.UNWATCHED, "f": Follow.UP}
    records = {name: SourceRecord(name=name, follow=follow, since_ms=1) for name, follow in follows.items()}
    seen = seen_sources(records, {}, {"c": DesiredState(source="c")}, ["a", NOBODY], is_agent_running=True)
    assert [*seen] == ["a", "b", "d", "f"]
    assert seen["b"].is_watched
    assert not seen["a"].is_watched


@pytest.mark.parametrize("status", Status)
def test_what_never_ran_and_is_blocked_is_told_with_what_is_wanted_of_it(status: Status) -> None:
    seen = source(Follow.APPLIED)._replace(left={ONE.key: ActionOutcome(ONE.key, status, "why")})
    found = blocked_in({SOURCE: seen}, {})
    told = [(each.key, each.why, each.version, each.revision) for each in found]
    assert told == ([(ONE.key, "why", "1.0.0", ONE.revision.id)] if status is Status.BLOCKED else [])
    assert blocked_in({SOURCE: seen}, {ONE.key: record(ONE)}) == []  # its own row tells
    assert [each.version for each in blocked_in({SOURCE: seen._replace(desired=None)}, {})] == [""] * len(found)

"""Deployments that move between sources of one repository or work tree, as plans see it."""

import pytest

from orchestrator.model.desired import DesiredState
from orchestrator.model.observed import Record
from orchestrator.model.source import FolderSpec, GitSpec, SourceSpec, are_siblings
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.make import compare, plan_to_show
from orchestrator.plan.siblings import Sibling

from .build import OTHER_SOURCE, SOURCE, deployment, observed, record

ONE, STAYS = deployment("one"), deployment("stays")


def wish(source: str, *deployments, **more) -> DesiredState:
    return DesiredState(source=source, deployments=deployments, **more)


def rows(own: DesiredState, records: list[Record], *siblings: Sibling) -> list[tuple[str, str, str]]:
    known = KnownFacts(siblings=lambda _: siblings)
    plan = compare(own, observed(*records), known=known)
    return [(action.kind.value, action.key.name, action.reasons[0].value) for action in plan.actions]


OWNED = [record(ONE, source=SOURCE), record(STAYS, source=SOURCE)]
LEFT = wish(SOURCE, STAYS)


@pytest.mark.parametrize(
    ("sibling", "expected"),
    [
        (Sibling(wish(OTHER_SOURCE)), [("remove", "one", "removed-from-source")]),
        (Sibling(wish(OTHER_SOURCE, ONE)), []),
        (Sibling(wish(OTHER_SOURCE, invalid=(ONE.key,))), []),
        (Sibling(wish(OTHER_SOURCE), "gone"), [("held", "one", "sibling-unread")]),
        (Sibling(wish(OTHER_SOURCE, unreadable_files=("x.yaml",))), [("held", "one", "sibling-unread")]),
        (Sibling(wish(OTHER_SOURCE, ONE), watched=False), [("remove", "one", "removed-from-source")]),
        (Sibling(wish(OTHER_SOURCE), "gone", watched=False), [("remove", "one", "removed-from-source")]),
    ],
)
def test_what_leaves_a_source_is_removed_once_no_watched_sibling_may_want_it(sibling: Sibling, expected) -> None:
    assert rows(LEFT, OWNED, sibling) == expected


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (Sibling(LEFT), ("adopt", "one", "moved")),
        (Sibling(LEFT, watched=False), ("adopt", "one", "moved")),
        (Sibling(wish(SOURCE, ONE)), ("blocked", "one", "owned-by-other-source")),
        (Sibling(wish(SOURCE, invalid=(ONE.key,))), ("blocked", "one", "owned-by-other-source")),
        (Sibling(wish(SOURCE, unreadable_files=(ONE.file,))), ("blocked", "one", "owned-by-other-source")),
        (Sibling(wish("elsewhere")), ("blocked", "one", "owned-by-other-source")),
    ],
)
def test_a_sibling_takes_what_its_owner_no_longer_names_and_nothing_else(owner: Sibling, expected) -> None:
    assert rows(wish(OTHER_SOURCE, ONE), OWNED, owner) == [expected]


BOTH_NEW = [("create", "anew", "new"), ("create", "stays", "new")]
REMOVED = [("remove", "one", "removed-from-source")]
RENAMED = deployment("anew", names_before=(ONE.key,))


def test_what_a_sibling_gives_another_name_is_not_removed_and_renamed_there() -> None:
    assert rows(LEFT, OWNED, Sibling(wish(OTHER_SOURCE, RENAMED))) == []
    assert rows(wish(OTHER_SOURCE, RENAMED), OWNED, Sibling(LEFT)) == [("rename", "anew", "renamed")]
    there = [*OWNED, record(RENAMED, source=OTHER_SOURCE)]
    assert rows(LEFT, there, Sibling(wish(OTHER_SOURCE, RENAMED))) == [("remove", "one", "removed-from-source")]


@pytest.mark.parametrize(
    ("own", "records", "sibling", "expected"),
    [
        ((RENAMED, STAYS), OWNED, Sibling(wish("b")), [("rename", "anew", "renamed")]),
        ((RENAMED, STAYS), [record(STAYS, source=SOURCE)], Sibling(wish("b")), [("create", "anew", "new")]),
        ((RENAMED, STAYS), [record(ONE, source="c")], Sibling(wish("b")), BOTH_NEW),
        ((RENAMED, STAYS), OWNED, Sibling(wish("b"), "gone"), [("blocked", "anew", "sibling-unread")]),
        ((RENAMED, STAYS), OWNED, Sibling(wish("b", ONE)), [("create", "anew", "new")]),
        ((RENAMED, STAYS), [*OWNED, record(RENAMED, source=SOURCE)], Sibling(wish("b")), REMOVED),
    ],
)  # fmt: skip
def test_a_deployment_takes_over_what_it_was_where_that_is_left_to_it(own, records, sibling, expected) -> None:
    assert rows(wish(SOURCE, *own), records, sibling) == expected


def test_a_rename_that_cannot_be_yet_removes_nothing() -> None:
    unreadable = wish(SOURCE, RENAMED, STAYS, unreadable_files=(ONE.file,))
    assert rows(unreadable, OWNED) == [("blocked", "anew", "unreadable-file")]
    assert rows(wish(SOURCE, STAYS, invalid=(RENAMED.key, ONE.key)), OWNED) == []


def test_a_rename_shows_what_else_differs_and_leaves_it_to_the_next_pass() -> None:
    more = deployment("anew", replicas=3, names_before=(ONE.key,))
    plan = compare(wish(SOURCE, more, STAYS), observed(*OWNED))
    (action,) = plan.actions
    assert (action.formerly, action.interrupts) == (ONE.key, "stops before it starts")
    assert [change.field for change in action.changes] == ["replicas"]
    assert plan.summary.rename == 1


def test_a_plan_tells_where_a_deployment_goes() -> None:
    known = KnownFacts(siblings=lambda _: [Sibling(wish(OTHER_SOURCE, ONE))])
    plan = plan_to_show(LEFT, observed(*OWNED), known=known)
    assert [each.summary for each in plan.diagnostics] == [f"default/one moves to {OTHER_SOURCE}"]


def test_what_moves_away_counts_for_no_mass_removal() -> None:
    many = [deployment(f"d{number}") for number in range(5)]
    records = [record(each, source=SOURCE) for each in many]
    assert rows(wish(SOURCE, many[0]), records, Sibling(wish(OTHER_SOURCE, *many[1:]))) == []
    assert {row[2] for row in rows(wish(SOURCE, many[0]), records)} == {"mass-prune"}


def folder(root: str, folder: str, work_tree: str = "") -> FolderSpec:
    return FolderSpec(identity=folder, root=root, root_reason="", folder=folder, work_tree=work_tree)


def repository(repository: str, ref: str, path: str) -> GitSpec:
    return GitSpec(identity=path, repository=repository, ref=ref, path=path, transport="file")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (folder("/r", "a"), folder("/r", "b"), True),
        (folder("/r/a", "a", "/r"), folder("/r/b", "b", "/r"), True),
        (folder("/r/a", "a"), folder("/r/b", "b"), False),
        (repository("/g", "main", "a"), repository("/g", "main", "b"), True),
        (repository("/g", "main", "a"), repository("/g", "prod", "b"), False),
        (repository("/g", "main", "a"), repository("/h", "main", "b"), False),
        (repository("/r", "main", "a"), folder("/r", "b"), False),
    ],
)
def test_siblings_read_parts_of_one_whole(first: SourceSpec, second: SourceSpec, expected: bool) -> None:
    assert are_siblings(first, second) is are_siblings(second, first) is expected

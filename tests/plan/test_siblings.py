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

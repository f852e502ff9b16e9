"""Which deployments `-l` means."""

import click
import pytest

from orchestrator.cli.filters import Labels

CORE = {"team": "core", "tier": "1"}


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ("team=core", True), ("team==core", True), ("team=web", False), ("team!=core", False), ("team!=web", True),
        ("other!=x", True), ("team", True), ("other", False), ("!team", False), ("!other", True), ("team=", False),
        ("team=core,tier=1", True), ("team=core, tier=2", False), ("team,!other", True),
    ],
)  # fmt: skip
def test_labels_are_read_as_people_write_them(said: str, holds: bool):
    assert all(term.holds(CORE) for term in Labels().convert(said, None, None)) is holds


@pytest.mark.parametrize("said", ["", "=a", "a,,b", "!a=b", "a=b=c", "a b"])
def test_what_says_nothing_is_refused(said: str):
    with pytest.raises(click.BadParameter, match="says nothing about labels"):
        Labels().convert(said, None, None)

"""Who did what, when and why: commits and authors of sources, users at the socket, acts of operators."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, Airs, git


@pytest.fixture
def manifest(airs: Airs) -> Path:
    """`hello`, in a git work tree with one commit."""
    shutil.copytree(EXAMPLES / "01-hello", airs.folder / "hello", ignore=shutil.ignore_patterns("src", "README.md"))
    git(airs.folder, "init", "--quiet", "--initial-branch=main")
    committed(airs, "Deploy hello")
    return airs.folder / "hello" / "manifests" / "hello.yaml"


def committed(airs: Airs, subject: str, author: str = "Ada Lovelace <ada@example.org>") -> str:
    git(airs.folder, "add", "--all", ".")
    git(airs.folder, "commit", "--quiet", f"--author={author}", "-m", subject)
    return git(airs.folder, "rev-parse", "HEAD")


def test_a_plan_says_for_which_commit_and_author_it_was_made(airs: Airs, manifest: Path):
    head = git(airs.folder, "rev-parse", "HEAD")
    assert f"commit  {head[:10]} by Ada Lovelace: Deploy hello\n" in airs.quick("plan", manifest.parent).stdout
    plan = airs.json("plan", manifest.parent)
    assert plan["commit"] == {
        "id": head, "author": "Ada Lovelace <ada@example.org>", "subject": "Deploy hello", "dirty": False
    }  # fmt: skip
    assert plan["sourceRevision"] == head


def test_a_plan_of_files_that_are_not_the_commits_says_so(airs: Airs, manifest: Path):
    manifest.write_text(manifest.read_text() + "# changed\n")
    head = git(airs.folder, "rev-parse", "HEAD")
    assert f"commit  {head[:10]}-dirty by Ada Lovelace" in airs.quick("plan", manifest.parent).stdout
    assert airs.json("plan", manifest.parent)["sourceRevision"] == f"{head}-dirty"


def test_a_plan_of_a_folder_in_no_work_tree_has_no_commit(airs: Airs):
    folder = airs.copy_example("01-hello") / "manifests"
    assert "commit" not in airs.quick("plan", folder).stdout
    assert airs.json("plan", folder)["commit"] is None

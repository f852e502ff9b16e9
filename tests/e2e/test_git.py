"""`airs up REPOSITORY#ref:path` against a bare repository that is pushed to, broken, rewritten and taken away."""

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, Airs, Background, git, wait_until

INTERVAL = ("--interval", "50ms")


class Repository:
    """A bare repository and somebody's clone of it."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.clone = folder / "manifests.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "clone", "--quiet", str(self.bare), str(self.clone))
        git(self.clone, "checkout", "--quiet", "-B", "main")
        shutil.copytree(EXAMPLES / "01-hello", self.clone / "hello", ignore=shutil.ignore_patterns("src", "README.md"))

    @property
    def manifest(self) -> Path:
        return self.clone / "hello" / "manifests" / "hello.yaml"

    @property
    def place(self) -> str:
        return f"{self.bare}#main:hello/manifests"

    def push(self, *options: str) -> str:
        """Commit everything and push it; returns the commit."""
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", "change")
        git(self.clone, "push", "--quiet", *options, "origin", "main")
        return git(self.clone, "rev-parse", "HEAD")

    def edit(self, old: str, new: str) -> None:
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new))


@pytest.fixture
def repository(airs: Airs) -> Repository:
    made = Repository(airs.folder)
    made.push()
    return made


def up(airs: Airs, repository: Repository) -> Background:
    running = airs.background("up", repository.place, *INTERVAL)
    wait_until(lambda: airs.client().answers() and airs.phase() == "running")
    return running


def test_a_push_brings_the_new_version_and_its_commit_is_shown(airs: Airs, repository: Repository):
    first = git(repository.clone, "rev-parse", "HEAD")
    running = up(airs, repository)
    assert airs.json("get", "deployments")[0]["sourceRevision"] == first
    repository.edit("hello-1.0.0", "hello-1.1.0")
    second = repository.push()
    wait_until(lambda: airs.json("get", "deployments")[0]["sourceRevision"] == second)
    assert airs.version() == "1.1.0"
    assert second[:10] in airs.quick("status").stdout
    assert f"applied {second[:10]}" in airs.quick("status", "hello").stdout
    assert [entry["sourceRevision"] for entry in airs.json("history", "hello")] == [first, second]
    assert second[:10] in airs.quick("history", "hello").stdout
    assert airs.json("get", "sources")[0]["revision"] == second
    assert running.end() == 0


def test_a_broken_commit_is_attempted_and_not_applied(airs: Airs, repository: Repository):
    first = git(repository.clone, "rev-parse", "HEAD")
    running = up(airs, repository)
    repository.edit("replicas: 2", "replicsa: 2")
    broken = repository.push()
    running.says("unknown key `replicsa`")
    wait_until(lambda: broken[:10] in airs.quick("status").stdout)
    view = airs.json("get", "deployments")[0]
    assert (view["version"], view["sourceRevision"]) == ("1.0.0", first)
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    repository.edit("replicsa: 2", "replicas: 1")
    repaired = repository.push()
    wait_until(lambda: airs.json("get", "deployments")[0]["sourceRevision"] == repaired)
    assert airs.json("get", "deployments")[0]["replicas"] == 1
    assert running.end() == 0


def test_a_rewritten_branch_is_followed(airs: Airs, repository: Repository):
    repository.edit("replicas: 2", "replicas: 1")
    repository.push()
    running = up(airs, repository)
    git(repository.clone, "reset", "--quiet", "--hard", "HEAD~1")
    repository.edit("hello-1.0.0", "hello-1.1.0")
    rewritten = repository.push("--force")
    wait_until(lambda: airs.json("get", "deployments")[0]["sourceRevision"] == rewritten)
    assert airs.version() == "1.1.0"
    assert running.end() == 0


def test_a_branch_that_is_deleted_deletes_nothing(airs: Airs, repository: Repository):
    running = up(airs, repository)
    git(repository.bare, "update-ref", "-d", "refs/heads/main")
    running.says("stale")
    assert "stale since" in airs.quick("status").stdout
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    repository.edit("hello-1.0.0", "hello-1.1.0")
    repository.push()
    wait_until(lambda: airs.version() == "1.1.0")
    assert running.end() == 0


def test_a_repository_that_is_moved_away_is_stale_until_it_is_back(airs: Airs, repository: Repository):
    running = up(airs, repository)
    away = airs.folder / "away.git"
    os.rename(repository.bare, away)
    running.says("stale")
    assert airs.json("get", "sources")[0]["staleSince"] > 0
    assert airs.phase() == "running"
    os.rename(away, repository.bare)
    wait_until(lambda: airs.json("get", "sources")[0]["staleSince"] is None)
    repository.edit("hello-1.0.0", "hello-1.1.0")
    repository.push()
    wait_until(lambda: airs.version() == "1.1.0")
    assert "stale" not in airs.quick("status").stdout
    assert running.end() == 0


def test_a_path_that_leaves_the_tree_is_not_an_empty_one(airs: Airs, repository: Repository):
    running = up(airs, repository)
    git(repository.clone, "mv", "hello", "moved")
    repository.push()
    running.says("stale")
    assert airs.phase() == "running"
    assert running.end() == 0


def test_a_commit_is_planned_and_applied_once(airs: Airs, repository: Repository):
    planned = airs.quick("plan", repository.place)
    assert "+ default/hello   1.0.0" in planned.stdout
    done = airs.run("apply", repository.place)
    assert str(repository.bare) in done.stdout
    repository.edit("hello-1.0.0", "hello-1.1.0")
    commit = repository.push()
    assert airs.version() == "1.0.0"  # nobody watches
    airs.quick("apply", repository.place)
    assert airs.version() == "1.1.0"
    assert airs.json("get", "deployments")[0]["sourceRevision"] == commit


def test_diagnostics_of_a_commit_name_the_file_in_it(airs: Airs, repository: Repository):
    repository.edit("replicas: 2", "replicas: -1")
    repository.push()
    refused = airs.quick("validate", repository.place, check=False)
    assert refused.returncode == 65
    assert "hello/manifests/hello.yaml:11:13: error" in refused.stderr


def test_a_tag_with_the_name_of_the_watched_branch_is_told_and_changes_nothing(airs: Airs, repository: Repository):
    running = up(airs, repository)
    repository.edit("hello-1.0.0", "hello-1.1.0")
    git(repository.clone, "commit", "--quiet", "--all", "--message", "not on the branch")
    git(repository.clone, "tag", "main")
    git(repository.clone, "push", "--quiet", "origin", "refs/tags/main")
    running.says("stale: main means 2 things in")
    failure = airs.json("get", "sources")[0]["failure"]
    assert "refs/heads/main" in failure
    assert "refs/tags/main" in failure
    assert airs.version() == "1.0.0"
    refused = airs.quick("plan", repository.place, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "it may be refs/tags/main or refs/heads/main" in refused.stderr
    in_full = [repository.place.replace("#main", f"#refs/{kind}/main") for kind in ("heads", "tags")]
    assert "No changes" in airs.quick("plan", in_full[0], "--source", repository.place).stdout
    assert "1.0.0 → 1.1.0" in airs.quick("plan", in_full[1], "--source", repository.place).stdout
    git(repository.bare, "update-ref", "-d", "refs/tags/main")
    git(repository.clone, "push", "--quiet", "origin", "refs/heads/main")
    wait_until(lambda: airs.version() == "1.1.0")
    assert running.end() == 0


def test_a_short_commit_is_refused_and_the_full_one_works(airs: Airs, repository: Repository):
    commit = git(repository.clone, "rev-parse", "HEAD")
    refused = airs.quick("plan", repository.place.replace("#main", f"#{commit[:10]}"), check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "a commit is named by its full id" in refused.stderr
    assert "+ default/hello" in airs.quick("plan", repository.place.replace("#main", f"#{commit}")).stdout


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("#main:../..", 64),
        ("#--upload-pack=touch:x", 64),
        ("#main:/etc", 64),
        ("#nowhere:hello/manifests", 1),
        ("#main:nothing", 1),
    ],
)
def test_a_place_that_is_none_is_refused(airs: Airs, repository: Repository, place: str, code: int):
    refused = airs.quick("plan", f"{repository.bare}{place}", check=False)
    assert (refused.returncode, refused.stdout) == (code, "")
    assert refused.stderr.startswith("error: ")


def test_a_link_in_a_commit_leads_nowhere(airs: Airs, repository: Repository):
    os.symlink("/etc/hostname", repository.manifest.with_name("link.yaml"))
    repository.push()
    refused = airs.quick("validate", repository.place, check=False)
    assert refused.returncode == 65
    assert "link.yaml" in refused.stderr

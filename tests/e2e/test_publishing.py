"""The exported state that an agent keeps in a file and in a branch: after each change, whole, and never in the way."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import Airs, git, wait_until


class Published(NamedTuple):
    """A user whose agent publishes its state, with a repository and a folder for it, and a folder of manifests."""

    user: Airs
    repository: Path
    file: Path
    manifests: Path

    def serial(self, data: bytes) -> int:
        """Return the serial of a state, as anybody else reads it."""
        copy = self.user.folder / "copy"
        copy.write_bytes(data)
        return int(self.user.json("state", "show", copy)["state"]["serial"])

    def in_file(self) -> int:
        return self.serial(self.file.read_bytes()) if self.file.exists() else 0

    def in_branch(self) -> int:
        if not (self.repository / "refs/heads/state").exists():
            return 0
        return self.serial(git(self.repository, "cat-file", "blob", "state:prod/airs-state").encode())

    def now(self) -> int:
        return int(self.user.client().state().serial)

    def is_current(self) -> bool:
        return self.in_file() == self.in_branch() == self.now()

    def views(self) -> list[dict[str, Any]]:
        """How each place is: the file, and the branch."""
        found: list[dict[str, Any]] = self.user.json("agent", "status")["published"]
        return found

    def commits(self) -> list[str]:
        return git(self.repository, "log", "--format=%s", "state").split("\n")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    user = Airs(tmp_path_factory.mktemp("published"))
    repository, folder = user.folder / "states.git", user.folder / "www"
    git(user.folder, "init", "-q", "--bare", str(repository))
    folder.mkdir()
    settings = user.state_dir.parent / "airs.toml"
    settings.write_text(
        f'[publish]\nfile = "{folder}/prod"\nrepository = "{repository}"\nbranch = "state"\nname = "prod/airs-state"\n'
    )
    user.env["AIRS_CONFIG"] = str(settings)
    manifests = user.copy_example("01-hello") / "manifests"
    try:
        user.run("apply", manifests, "--yes")
        yield Published(user, repository, folder / "prod", manifests)
    finally:
        user.close()


def test_each_change_is_a_version_of_the_file_and_a_commit_of_the_branch(published: Published):
    wait_until(published.is_current)
    commits = len(published.commits())
    manifest = published.manifests / "hello.yaml"
    manifest.write_text(manifest.read_text().replace("replicas: 2", "replicas: 1"))
    published.user.run("apply", published.manifests)
    wait_until(published.is_current)
    assert len(published.commits()) > commits
    assert published.commits()[0] == f"State at serial {published.now()}: 1 deployment"
    against = published.user.run("plan", published.manifests, "--against", published.file).stdout
    assert "No changes. 1 deployment matches." in against
    assert [(one["serial"], one["problem"]) for one in published.views()] == 2 * [(published.now(), "")]
    assert f"published  {published.file}, serial {published.now()}" in published.user.run("agent", "status").stdout


def test_an_agent_that_starts_again_writes_no_version_of_what_is_there(published: Published):
    wait_until(published.is_current)
    commits = published.commits()
    published.user.run("agent", "stop")
    published.user.run("agent", "start")
    wait_until(lambda: all(one["at"] for one in published.views()))
    if published.now() == int(commits[0].split()[3].rstrip(":")):
        assert published.commits() == commits


def test_a_place_that_cannot_be_written_is_told_holds_nothing_up_and_is_tried_again(published: Published):
    wait_until(published.is_current)
    away = published.repository.with_name("away.git")
    published.repository.rename(away)
    published.user.run("agent", "stop")
    published.user.run("agent", "start")  # which that keeps from nothing
    published.user.run("restart", "hello")
    wait_until(lambda: published.in_file() == published.now())  # the other place
    problem = wait_until(lambda: published.views()[1]["problem"])
    assert str(published.repository) in problem
    assert published.views()[0]["problem"] == ""
    published.user.run("request", "hello", "Ada")
    reasons = [json.loads(line)["reason"] for line in published.user.run("events", "-o", "json").stdout.splitlines()]
    assert "publish-failing" in reasons
    away.rename(published.repository)
    wait_until(published.is_current)
    wait_until(lambda: not published.views()[1]["problem"])


def test_a_branch_that_somebody_else_pushed_to_keeps_what_they_pushed(published: Published):
    wait_until(published.is_current)
    clone = published.user.folder / "clone"
    git(published.user.folder, "clone", "-q", "-b", "state", str(published.repository), str(clone))
    (clone / "README").write_text("not ours")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "theirs")
    git(clone, "push", "-q")
    published.user.run("restart", "hello")
    wait_until(published.is_current)
    assert published.commits()[1] == "theirs"
    assert git(published.repository, "cat-file", "blob", "state:README") == "not ours"
    shutil.rmtree(clone)


def test_the_file_keeps_its_mode_and_is_whole_at_any_time(published: Published):
    wait_until(published.is_current)
    assert stat.S_IMODE(published.file.stat().st_mode) == 0o600
    published.file.chmod(0o644)
    before = published.file.stat().st_ino
    published.user.run("restart", "hello")
    wait_until(published.is_current)
    after = published.file.stat()
    assert (after.st_ino != before, stat.S_IMODE(after.st_mode)) == (True, 0o644)
    assert os.listdir(published.file.parent) == ["prod"]

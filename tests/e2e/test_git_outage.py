"""An added repository that is pushed to, broken, rewritten, emptied and taken away: the last good commit goes on."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import EXAMPLES, Airs, git, wait_until


class Remote:
    """A bare repository and somebody's clone of it."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.clone = folder / "remote.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "init", "--quiet", "--initial-branch=main", str(self.clone))
        shutil.copytree(EXAMPLES / "01-hello", self.clone / "hello", ignore=shutil.ignore_patterns("src", "README.md"))

    def push(self, old: str = "", new: str = "") -> str:
        """Change the manifest, and push that whatever was there."""
        manifest = self.clone / "hello" / "manifests" / "hello.yaml"
        manifest.write_text(manifest.read_text().replace(old, new) if old else manifest.read_text())
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--allow-empty", "--message", "change")
        git(self.clone, "push", "--quiet", "--force", str(self.bare), "main")
        return git(self.clone, "rev-parse", "HEAD")


@pytest.fixture
def remote(airs: Airs) -> Remote:
    return Remote(airs.folder)


def test_the_last_good_commit_goes_on_whatever_becomes_of_the_repository(airs: Airs, remote: Remote):
    first = remote.push()
    airs.run("source", "add", f"{remote.bare}#main:hello/manifests", "--name", "shop", "--interval", "1h")

    def looked(code: int = 1) -> dict[str, Any]:
        assert airs.quick("reconcile", "shop", check=False).returncode == code
        seen: dict[str, Any] = airs.json("source", "show", "shop")
        return seen

    def is_kept(why: str, commit: str = first) -> None:
        seen = looked()
        assert why in seen["failure"]
        assert seen["revision"] == commit
        assert "stale since" in airs.quick("status").stdout
        assert why in airs.quick("status").stdout
        assert (airs.phase(), airs.json("get", "deployments")[0]["sync"]) == ("running", "stale")

    git(remote.bare, "update-ref", "-d", "refs/heads/main")  # the branch is deleted: the repository is empty
    is_kept("there is no main in")
    since = airs.json("source", "show", "shop")["staleSince"]
    away = remote.bare.with_name("away.git")
    remote.bare.rename(away)  # and then it is gone
    is_kept("is not a git repository")
    assert airs.json("source", "show", "shop")["staleSince"] == since  # it was not followed since then
    airs.quick("agent", "stop")
    airs.run("agent", "start")
    wait_until(lambda: airs.json("source", "show", "shop")["staleSince"])
    is_kept("is not a git repository")
    away.rename(remote.bare)
    remote.push()
    assert looked(0)["staleSince"] is None

    git(remote.clone, "checkout", "--quiet", "--orphan", "anew")  # rewritten from the ground up, and wrong
    git(remote.clone, "branch", "--delete", "--force", "main")
    git(remote.clone, "branch", "--move", "main")
    wrong = remote.push("replicas: 2", "replicsa: 2")
    assert looked(65)["revision"] == wrong
    assert (airs.version(), airs.json("get", "deployments")[0]["sync"]) == ("1.0.0", "invalid")
    right = remote.push("replicsa: 2", "replicas: 1")
    assert looked(0)["revision"] == right
    assert airs.json("get", "deployments")[0]["replicas"] == 1

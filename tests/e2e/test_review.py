"""Plans and diagnostics as forges read them, from the command line; no agent, no state directory."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Airs, git

USAGE, INVALID = 64, 65


@pytest.fixture
def clone(airs: Airs) -> Path:
    """A repository with two folders of manifests, of which one has an error and one does not."""
    top = airs.folder / "deploy"
    top.mkdir()
    for name in ("01-hello", "02-counter"):
        airs.copy_example(name).rename(top / name)
    manifest = top / "01-hello" / "manifests" / "hello.yaml"
    manifest.write_text(manifest.read_text().replace("replicas: 2", "replicas: -2"))
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "first")
    return top


def line_of(manifest: Path, text: str) -> int:
    return manifest.read_text().split("\n").index(next(x for x in manifest.read_text().split("\n") if text in x)) + 1


def test_an_error_is_a_remark_at_its_line_wherever_one_stands(airs: Airs, clone: Path):
    line = line_of(clone / "01-hello/manifests/hello.yaml", "replicas: -2")
    path = "01-hello/manifests/hello.yaml"
    for argument in ("deploy/01-hello/manifests", f"{clone}#main:01-hello/manifests"):  # a folder, and a commit
        for command in (["validate", argument], ["plan", argument, "--against", "empty"]):
            told = airs.run(*command, "-o", "github", check=False)
            assert told.returncode == INVALID
            assert f"::error file={path},line={line},col=" in told.stdout
        (entry,) = json.loads(airs.run("validate", argument, "-o", "gitlab", check=False).stdout)
        assert entry["location"] == {"path": path, "lines": {"begin": line}}
        log = json.loads(airs.run("validate", argument, "-o", "sarif", check=False).stdout)
        (result,) = log["runs"][0]["results"]
        place = result["locations"][0]["physicalLocation"]
        assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (path, line)


def test_several_folders_are_one_report(airs: Airs, clone: Path):
    folders = [clone / name / "manifests" for name in ("01-hello", "02-counter")]
    told = airs.run("validate", *folders, "-o", "github", check=False).stdout
    assert told.count("::error ") == 1
    assert told.endswith("::notice title=airs::airs validate: 1 error\n")
    assert airs.run("validate", folders[1], "-o", "github").stdout == (
        "::notice title=airs::airs validate: 1 deployment valid\n"
    )


def test_a_plan_is_a_comment(airs: Airs, clone: Path):
    comment = airs.run("plan", clone / "02-counter" / "manifests", "--against", "empty", "-o", "markdown").stdout
    assert comment.startswith("<!-- airs plan ")
    assert "### airs plan: 1 to create\n" in comment
    assert "<code>default/counter</code> <b>create</b> <code>1.0.0</code> because new · 2 new capabilities" in comment
    assert "storage.read self    ← new: &quot;reads the count before adding to it&quot;" in comment
    broken = airs.run("plan", clone / "01-hello" / "manifests", "--against", "HEAD", "-o", "markdown", check=False)
    assert broken.returncode == INVALID
    assert "### airs plan: ⛔ 1 error" in broken.stdout
    assert "error: 01-hello/manifests/hello.yaml:" in broken.stdout


def test_a_command_without_such_a_form_says_which_it_has(airs: Airs):
    for arguments in (["-o", "markdown", "status"], ["status", "-o", "markdown"], ["validate", ".", "-o", "markdown"]):
        told = airs.run(*arguments, check=False)
        assert told.returncode == USAGE
        assert "json" in told.stderr

"""A folder in a git work tree says at which commit it was read, and whether its files are those of the commit."""

import subprocess

import pytest

from orchestrator.source.folder import FolderSource
from orchestrator.source.spec import parse_source
from orchestrator.source.work_tree import head_of

from .conftest import git, references, write

AUTHOR = "Ada Lovelace <ada@example.org>"


@pytest.fixture
def tree(project):
    git(project, "init", "--quiet", "-b", "main")
    commit(project, "Deploy hello")
    return project


def commit(folder, subject):
    git(folder, "add", "--all", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def read(folder, artifacts, path="app/manifests", **how):
    spec = parse_source(path, cwd=folder, home=folder.parent / "nobody", **how)
    return FolderSource(spec, references, artifacts).read().snapshot.commit


def test_a_folder_is_read_at_the_commit_of_its_work_tree(tree, artifacts):
    found = read(tree, artifacts)
    assert (found.id, found.author, found.subject) == (git(tree, "rev-parse", "HEAD"), AUTHOR, "Deploy hello")
    assert not found.dirty
    assert found.revision == found.id
    assert str(found) == f"{found.id[:10]} by Ada Lovelace: Deploy hello"


def test_a_folder_in_no_work_tree_has_no_commit(project, artifacts):
    assert read(project, artifacts) is None


def test_a_work_tree_without_a_commit_has_none_yet(project, artifacts):
    git(project, "init", "--quiet")
    assert read(project, artifacts) is None


CHANGES = {
    "a manifest": lambda tree: write(tree / "app/manifests/a.yaml", "component app/components/hello\n\n"),
    "a new manifest": lambda tree: write(tree / "app/manifests/b.yaml", "component app/components/hello\n"),
    "a deleted manifest": lambda tree: (tree / "app/manifests/a.yaml").unlink(),
    "a component": lambda tree: write(tree / "app/components/hello/Component.toml", "artifact hello.wasm\n\n"),
    "an artifact": lambda tree: write(tree / "app/components/hello/hello.wasm", "wasm 2"),
    "an artifact that is gone": lambda tree: (tree / "app/components/hello/hello.wasm").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_of_the_source_that_is_not_the_commits_makes_it_dirty(tree, artifacts, change):
    CHANGES[change](tree)
    found = read(tree, artifacts)
    assert found.dirty
    assert found.revision == f"{git(tree, 'rev-parse', 'HEAD')}-dirty"
    commit(tree, "With the change")
    assert not read(tree, artifacts).dirty


@pytest.mark.parametrize("path", ["README.md", "app/manifests/notes.txt", "other/b.yaml"])
def test_a_file_that_the_source_does_not_hold_does_not(tree, artifacts, path):
    write(tree / path, "changed")
    assert not read(tree, artifacts).dirty


def test_a_file_that_git_would_convert_is_the_commits(tree, artifacts):
    write(tree / ".gitattributes", "*.yaml text eol=crlf\n*.wasm filter=lfs\n")
    (tree / "app/manifests/a.yaml").write_bytes(b"component app/components/hello\r\n")
    digest = subprocess.run(["sha256sum"], input=b"wasm 1", capture_output=True, check=True).stdout.decode()[:64]
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 6\n"
    write(tree / "app/components/hello/hello.wasm", pointer)
    git(tree, "add", "--all", ".")  # no such filter is set up here, so that the pointer itself goes into the commit
    commit(tree, "Convert")
    write(tree / "app/components/hello/hello.wasm", "wasm 1")
    assert not read(tree, artifacts).dirty


def test_one_manifest_and_a_root_within_the_work_tree_are_compared_as_well(tree, artifacts):
    assert not read(tree, artifacts, "app/manifests/a.yaml").dirty
    write(tree / "app/manifests/b.yaml", "")
    assert not read(tree, artifacts, "app/manifests/a.yaml").dirty
    within = tree / "app"
    write(within / "manifests/a.yaml", "component components/hello\n")
    (within / "manifests/b.yaml").unlink()
    assert read(tree, artifacts, root="app").dirty
    commit(tree, "Within")
    assert not read(tree, artifacts, root="app").dirty


def test_a_linked_work_tree_and_a_link_are_followed(tree, artifacts):
    (tree / "app/manifests/l.yaml").symlink_to("../shared.yaml")
    write(tree / "app/shared.yaml", "component app/components/hello\n")
    commit(tree, "Link")
    git(tree, "worktree", "add", "--quiet", "linked", "-b", "other")
    assert read(tree / "linked", artifacts).revision == git(tree, "rev-parse", "HEAD")


def test_a_repository_that_git_cannot_read_is_as_good_as_none(tree, artifacts):
    (tree / ".git/config").write_text("[core\n")
    assert read(tree, artifacts) is None


def test_nothing_of_a_repository_runs(tree, artifacts, tmp_path):
    marker, tool = tmp_path / "ran", tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\ntouch {marker}\n")
    tool.chmod(0o755)
    write(tree / ".gitattributes", "* filter=evil diff=evil\n")
    commit(tree, "Evil")
    (tree / "app/components/hello/hello.wasm").unlink()
    lost = git(tree, "rev-parse", "HEAD:app")
    (tree / ".git/objects" / lost[:2] / lost[2:]).unlink()  # what a partial clone would fetch
    for hook in ("post-checkout", "fsmonitor-watchman", "reference-transaction", "post-index-change"):
        (tree / ".git/hooks").mkdir(exist_ok=True)
        (tree / ".git/hooks" / hook).symlink_to(tool)
    settings = {
        "core.fsmonitor": tool, "core.hooksPath": tree / ".git/hooks", "core.pager": tool, "core.editor": tool,
        "core.sshCommand": tool, "core.gitProxy": tool, "core.askPass": tool, "credential.helper": tool,
        "filter.evil.clean": tool, "filter.evil.smudge": tool, "filter.evil.process": tool, "diff.external": tool,
        "diff.evil.textconv": tool, "diff.evil.command": tool, "gpg.program": tool, "log.showSignature": "true",
        "extensions.partialClone": "origin", "remote.origin.url": str(tree), "remote.origin.promisor": "true",
        "remote.origin.uploadpack": tool, "alias.cat-file": f"!{tool}", "core.repositoryFormatVersion": "1",
    }  # fmt: skip
    (tree / ".git/config").write_text("".join(_setting(name, value) for name, value in settings.items()))
    assert read(tree, artifacts) is None
    assert not marker.exists()
    subprocess.run(["git", "--git-dir=.git", "cat-file", "-p", lost], cwd=tree, capture_output=True, check=False)
    assert marker.exists(), "git itself, unguarded, would have run it"


def _setting(name, value):
    section, _, key = name.rpartition(".")
    head, _, of = section.partition(".")
    return f'[{head} "{of}"]\n{key} = "{value}"\n' if of else f'[{head}]\n{key} = "{value}"\n'


HEADS = {
    "a branch": lambda tree: None,
    "a branch of packed refs": lambda tree: git(tree, "pack-refs", "--all"),
    "a commit": lambda tree: git(tree, "checkout", "--quiet", "--detach"),
}


@pytest.mark.parametrize("head", HEADS)
def test_head_is_read_without_git(tree, head):
    HEADS[head](tree)
    assert head_of(str(tree)) == git(tree, "rev-parse", "HEAD")


def test_the_head_of_a_linked_work_tree_is_its_own(tree):
    git(tree, "worktree", "add", "--quiet", "linked", "-b", "other")
    commit(tree / "linked", "There")
    assert head_of(str(tree / "linked")) == git(tree / "linked", "rev-parse", "HEAD") != head_of(str(tree))


@pytest.mark.parametrize(
    "head", ["", "ref: ../../etc/passwd\n", "ref: refs/heads/../../../config\n", "ref: refs/none\n"]
)
def test_a_head_that_is_not_plain_to_see_is_none(tree, head):
    (tree / ".git/HEAD").write_text(head)
    assert head_of(str(tree)) == ""


@pytest.mark.parametrize(
    ("change", "is_dirty"),
    [
        (lambda tree: None, False),
        (lambda tree: write(tree / "base/a.yaml", "component app/components/hello\n\n"), True),
        (lambda tree: write(tree / "base/new.yaml", ""), True),
        (lambda tree: (tree / "base/sub/b.yaml").unlink(), True),
        (lambda tree: write(tree / "base/notes.txt", ""), False),
    ],
)
def test_the_bases_of_a_folder_are_compared_as_well(tree, artifacts, change, is_dirty):
    write(tree / "app/manifests/a.yaml", "base base\n")
    write(tree / "base/a.yaml", "component app/components/hello\n")
    write(tree / "base/sub/b.yaml", "component app/components/hello\n")
    commit(tree, "Add a base")
    change(tree)
    assert read(tree, artifacts).dirty == is_dirty

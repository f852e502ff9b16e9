import os
import shutil
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from orchestrator.model.snapshot import Artifact, Content, Known, KnownEmpty, Listing, Unknown, Unreadable
from orchestrator.model.source import GitSpec
from orchestrator.source import command as command_module
from orchestrator.source import gather as gather_module
from orchestrator.source import mirror as mirror_module
from orchestrator.source.git import GitSource
from orchestrator.source.objects import ObjectsBroken, parse_tree
from orchestrator.source.open import open_source
from orchestrator.source.spec import parse_source
from tests.source.conftest import references, write

CLEAN = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(where, *arguments, **options):
    done = subprocess.run(["git", "-C", str(where), *arguments], env=CLEAN, capture_output=True, check=True, **options)
    return done.stdout.decode().strip()


class Repository:
    """A bare repository that is pushed to, and the work tree it is pushed from."""

    def __init__(self, tmp_path):
        self.bare = tmp_path / "repo.git"
        self.tree = tmp_path / "tree"
        git(tmp_path, "init", "-q", "--bare", "-b", "main", "repo.git")
        git(tmp_path, "init", "-q", "-b", "main", "tree")

    def write(self, path, text):
        return write(self.tree / path, text)

    def push(self, message="change", ref="main"):
        git(self.tree, "add", "-A")
        git(self.tree, "commit", "-q", "--allow-empty", "-m", message)
        git(self.tree, "push", "-q", "--force", str(self.bare), f"HEAD:refs/heads/{ref}")
        return git(self.tree, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    repository = Repository(tmp_path)
    repository.write("manifests/a.yaml", "component components/hello\n")
    repository.write("components/hello/Component.toml", "artifact hello.wasm\n")
    repository.write("components/hello/hello.wasm", "wasm 1")
    return repository


@pytest.fixture
def source(tmp_path, repository, artifacts):
    def open_it(text=None):
        spec = parse_source(text or f"{repository.bare}#main:manifests", cwd=tmp_path)
        assert isinstance(spec, GitSpec)
        return open_source(spec, references=references, artifacts=artifacts, work_dir=tmp_path / "state")

    return open_it


def test_a_commit_becomes_a_snapshot_with_all_it_refers_to(repository, source):
    commit = repository.push()

    answer = source().read()

    assert isinstance(answer, Known)
    snapshot = answer.snapshot
    assert snapshot.revision == commit
    assert snapshot.manifests == ("manifests/a.yaml",)
    assert snapshot.files["components/hello/Component.toml"] == Content(b"artifact hello.wasm\n")
    assert isinstance(snapshot.files["components/hello/hello.wasm"], Artifact)
    assert snapshot.shown("manifests/a.yaml") == f"{repository.bare}#main:manifests/a.yaml"
    assert snapshot.root == str(repository.bare)


def test_the_same_commit_is_the_same_snapshot_and_a_push_is_the_next(repository, source):
    repository.push()
    reading = source()
    first = reading.read().snapshot
    assert reading.read().snapshot is first
    repository.write("manifests/b.yaml", "x")
    commit = repository.push()
    assert reading.read().snapshot.revision == commit
    assert reading.read().snapshot.manifests == ("manifests/a.yaml", "manifests/b.yaml")


def test_head_and_the_whole_tree_are_what_is_read_when_nothing_else_is_said(repository, source):
    commit = repository.push()
    for text in (str(repository.bare), f"{repository.bare}#", f"file://{repository.bare}#", f"{repository.tree}#"):
        snapshot = source(text).read().snapshot
        assert (snapshot.revision, snapshot.manifests) == (commit, ("manifests/a.yaml",))


def test_branches_tags_and_commits_are_refs(repository, source):
    commit = repository.push()
    git(repository.tree, "tag", "-a", "v1", "-m", "one")
    git(repository.tree, "push", "-q", str(repository.bare), "v1")
    repository.write("manifests/b.yaml", "x")
    repository.push(ref="feature/x")
    assert source(f"{repository.bare}#v1").read().snapshot.revision == commit
    assert source(f"{repository.bare}#refs/heads/main").read().snapshot.revision == commit
    assert source(f"{repository.bare}#{commit}").read().snapshot.revision == commit
    assert len(source(f"{repository.bare}#feature/x").read().snapshot.manifests) == 2


def test_one_manifest_can_be_named(repository, source):
    repository.write("manifests/b.yaml", "x")
    repository.push()
    assert source(f"{repository.bare}#main:manifests/b.yaml").read().snapshot.manifests == ("manifests/b.yaml",)


def test_a_shallow_repository_can_be_read(repository, source, tmp_path):
    repository.push()
    commit = repository.push("second")
    git(tmp_path, "clone", "-q", "--bare", "--depth=1", f"file://{repository.bare}", "shallow.git")
    assert source(f"{tmp_path}/shallow.git#main").read().snapshot.revision == commit


def test_a_force_push_wins(repository, source):
    repository.push()
    repository.push("second")
    reading = source()
    reading.read()
    git(repository.tree, "reset", "-q", "--hard", "HEAD~1")
    repository.write("manifests/c.yaml", "x")
    commit = repository.push("another second")
    assert reading.read().snapshot.revision == commit


def test_only_the_commit_itself_is_fetched(repository, source, tmp_path):
    for number in range(5):
        repository.push(str(number))
    source().read()
    (mirror,) = (tmp_path / "state").glob("*.git")
    assert git(mirror, "rev-list", "--count", "--all") == "1"


def break_deleted_branch(repository):
    git(repository.bare, "update-ref", "-d", "refs/heads/main")


def break_removed(repository):
    shutil.rmtree(repository.bare)


def break_corrupt_objects(repository):
    repository.write("manifests/a.yaml", "changed\n")
    repository.push()
    git(repository.bare, "repack", "-q", "-a", "-d")
    for pack in (repository.bare / "objects/pack").glob("*.pack"):
        pack.chmod(0o644)
        data = bytearray(pack.read_bytes())
        data[len(data) // 3 : len(data) // 3 + 40] = b"\xff" * 40
        pack.write_bytes(data)


def break_missing_object(repository):
    repository.write("manifests/a.yaml", "changed\n")
    commit = repository.push()
    tree = git(repository.bare, "rev-parse", f"{commit}^{{tree}}")
    (repository.bare / "objects" / tree[:2] / tree[2:]).unlink()


def break_corrupt_ref(repository):
    (repository.bare / "refs/heads/main").write_text("this is no commit\n")


def break_ref_to_nothing(repository):
    (repository.bare / "refs/heads/main").write_text("1" * 40 + "\n")


def break_not_a_repository(repository):
    (repository.bare / "HEAD").unlink()


def break_path_removed(repository):
    shutil.rmtree(repository.tree / "manifests")
    repository.push()


def break_path_is_a_link_out(repository):
    shutil.rmtree(repository.tree / "manifests")
    (repository.tree / "manifests").symlink_to("/etc")
    repository.push()


BREAKS = [
    break_deleted_branch,
    break_removed,
    break_corrupt_objects,
    break_missing_object,
    break_corrupt_ref,
    break_ref_to_nothing,
    break_not_a_repository,
    break_path_removed,
    break_path_is_a_link_out,
]


@pytest.mark.parametrize("damage", BREAKS, ids=lambda f: f.__name__)
def test_what_cannot_be_fetched_is_unknown_with_a_reason_and_mends_by_itself(repository, source, tmp_path, damage):
    repository.push()
    reading = source()
    good = reading.read()
    assert isinstance(good, Known)
    shutil.copytree(repository.bare, tmp_path / "saved.git")
    damage(repository)

    answer = reading.read()

    assert isinstance(answer, Unknown), answer
    failure = answer.failure
    assert failure.source == f"{repository.bare}#main:manifests"
    assert str(repository.bare) in failure.summary
    assert failure.detail
    assert failure.suggestion
    shutil.rmtree(repository.bare, ignore_errors=True)
    shutil.copytree(tmp_path / "saved.git", repository.bare)
    assert reading.read().snapshot.files == good.snapshot.files


def test_an_empty_repository_is_unknown(source):
    answer = source().read()
    assert isinstance(answer, Unknown)
    assert "there is no main in" in answer.failure.summary


def test_a_commit_without_manifests_is_known_to_be_empty(repository, source):
    (repository.tree / "manifests/a.yaml").rename(repository.tree / "manifests/.gitkeep")
    repository.push()
    assert isinstance(source().read(), KnownEmpty)


def test_a_mirror_that_lost_something_is_made_anew(repository, source, tmp_path):
    commit = repository.push()
    source().read()
    (mirror,) = (tmp_path / "state").glob("*.git")
    for pack in (mirror / "objects/pack").iterdir():
        pack.chmod(0o644)
        pack.write_bytes(b"garbage")
    assert source().read().snapshot.revision == commit


def test_a_lock_left_behind_by_a_killed_fetch_does_not_stay_in_the_way(repository, source, tmp_path):
    repository.push()
    source().read()
    commit = repository.push("second")
    (mirror,) = (tmp_path / "state").glob("*.git")
    (mirror / "shallow.lock").touch()
    (mirror / "refs/airs/fetched.lock").touch()
    assert source().read().snapshot.revision == commit


def test_a_worn_mirror_is_made_anew(repository, source, tmp_path, monkeypatch):
    monkeypatch.setattr(mirror_module, "MAX_PACKS", 2)
    reading = source()
    for number in range(6):
        repository.write("manifests/a.yaml", f"{number}")
        repository.push(str(number))
        assert reading.read().snapshot.files["manifests/a.yaml"] == Content(str(number).encode())
        (mirror,) = (tmp_path / "state").glob("*.git")
        assert len(list((mirror / "objects/pack").glob("*.pack"))) <= 3


@pytest.fixture
def canary(tmp_path):
    """A program that leaves a file behind when anything runs it."""
    program = tmp_path / "canary"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {tmp_path}/sang\nexec cat\n')
    program.chmod(0o755)
    return program


def hostile_hooks(repository, canary):
    for name in ("pre-receive", "post-checkout", "post-update", "reference-transaction", "post-merge", "pre-auto-gc"):
        shutil.copy(canary, repository.bare / "hooks" / name)


def hostile_attributes(repository, canary):
    repository.write(".gitattributes", "* filter=evil diff=evil text ident\n")
    for where in (repository.bare, repository.tree):
        git(where, "config", "filter.evil.smudge", str(canary))
        git(where, "config", "diff.evil.textconv", str(canary))
        git(where, "config", "diff.evil.command", str(canary))
    git(repository.bare, "config", "filter.evil.required", "true")


def hostile_settings(repository, canary):
    for key in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.gitProxy",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.alternateRefsCommand",
        "uploadpack.packObjectsHook",
        "remote.origin.uploadpack",
        "credential.helper",
        "gpg.program",
        "alias.upload-pack",
        "gc.recentObjectsHook",
    ):
        git(repository.bare, "config", key, f"!{canary}" if key.startswith("alias") else str(canary))
    git(repository.bare, "config", "core.hooksPath", str(canary.parent))
    shutil.copy(canary, canary.parent / "reference-transaction")


def hostile_submodules(repository, canary):
    repository.write(
        ".gitmodules", f'[submodule "m"]\n\tpath = m\n\turl = ext::{canary}\n\tupdate = !{canary}\n\tbranch = main\n'
    )
    commit = git(repository.tree, "rev-parse", "HEAD") if (repository.tree / ".git/refs/heads/main").exists() else None
    git(repository.tree, "update-index", "--add", "--cacheinfo", f"160000,{commit or '1' * 40},m")


def hostile_alternates(repository, canary):
    git(repository.bare, "config", "extensions.partialClone", "evil")
    git(repository.bare, "config", "core.repositoryFormatVersion", "1")
    git(repository.bare, "config", "remote.evil.url", f"ext::{canary}")
    git(repository.bare, "config", "remote.evil.promisor", "true")
    git(repository.bare, "config", "remote.evil.uploadpack", str(canary))


@pytest.mark.parametrize(
    "plant",
    [hostile_hooks, hostile_attributes, hostile_settings, hostile_submodules, hostile_alternates],
    ids=lambda f: f.__name__,
)
def test_nothing_a_repository_asks_for_is_run(repository, source, tmp_path, canary, plant):
    plant(repository, canary)
    git(repository.tree, "add", "-A", "--", "manifests", "components")
    for extra in (".gitattributes", ".gitmodules"):
        if (repository.tree / extra).exists():
            git(repository.tree, "-c", "filter.evil.clean=cat", "add", extra)
    git(repository.tree, "commit", "-q", "-m", "first")
    git(repository.tree, "push", "-q", str(repository.bare), "HEAD:refs/heads/main")
    (tmp_path / "sang").unlink(missing_ok=True)  # what ran for the push is the pusher's business

    answer = source().read()

    assert not (tmp_path / "sang").exists(), (tmp_path / "sang").read_text()
    if plant is hostile_submodules:  # git's own check refuses such a .gitmodules before anything is kept
        assert isinstance(answer, Unknown)
    else:
        assert answer.snapshot.files["components/hello/hello.wasm"].data == b"wasm 1"


def test_the_canary_sings_when_it_is_run(repository, tmp_path, canary):
    hostile_hooks(repository, canary)
    repository.push()
    assert (tmp_path / "sang").exists()


def test_the_environment_and_the_users_settings_take_no_part(repository, source, tmp_path, canary, monkeypatch):
    repository.push()
    home = tmp_path / "home"
    write(
        home / ".gitconfig", f'[url "ext::{canary} "]\n\tinsteadOf = {repository.bare}\n[core]\n\tfsmonitor={canary}\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.ext::{canary} .insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(repository.bare))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(canary))
    assert isinstance(source().read(), Known)
    assert not (tmp_path / "sang").exists()


def test_ordinary_submodules_are_left_out(repository, source):
    git(repository.tree, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},manifests/sub")
    git(repository.tree, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},components/sub.yaml")
    git(repository.tree, "add", "manifests/a.yaml", "components/hello")
    git(repository.tree, "commit", "-q", "-m", "first")
    git(repository.tree, "push", "-q", str(repository.bare), "HEAD:refs/heads/main")
    assert source(f"{repository.bare}#main").read().snapshot.manifests == ("manifests/a.yaml",)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/etc/passwd", "escapes"),
        ("../../../x", "escapes"),
        ("../other/x.wasm", "escapes"),
        ("hello.wasm", "link"),
        ("gone", "missing"),
    ],
)
def test_links_in_a_tree_are_followed_only_inside_it(repository, source, target, kind):
    path = repository.tree / "components/hello/hello.wasm"
    path.unlink()
    path.symlink_to(target)
    repository.write("components/other/x.wasm", "wasm other")
    repository.push()
    entry = source().read().snapshot.files["components/hello/hello.wasm"]
    assert isinstance(entry, Unreadable)
    assert entry.kind == kind


def test_links_that_stay_inside_are_followed(repository, source):
    shutil.move(repository.tree / "components/hello/hello.wasm", repository.tree / "components/hello/built.wasm")
    (repository.tree / "components/hello/hello.wasm").symlink_to("./built.wasm")
    shutil.move(repository.tree / "components/hello", repository.tree / "components/v1")
    (repository.tree / "components/hello").symlink_to("v1")
    repository.push()
    assert source().read().snapshot.files["components/hello/hello.wasm"].data == b"wasm 1"


def test_sizes_are_limited_and_what_comes_after_a_giant_is_still_read(repository, source, monkeypatch):
    monkeypatch.setattr(gather_module, "MANIFEST_MAX_BYTES", 100)
    repository.write("manifests/0.yaml", "x" * 3_000_000)
    repository.push()
    files = source().read().snapshot.files
    assert files["manifests/0.yaml"].kind == "too-large"
    assert files["manifests/a.yaml"] == Content(b"component components/hello\n")


def test_a_tree_that_names_one_subtree_many_times_over_is_not_walked_to_its_end(repository, source, monkeypatch):
    monkeypatch.setattr(gather_module, "MAX_NAMES", 2_000)
    tree = git(repository.tree, "hash-object", "-w", "--stdin", input=b"x")
    kind = "100644 blob"
    for _ in range(10):
        lines = "".join(f"{kind} {tree}\td{n}\n" for n in range(10))
        tree = git(repository.tree, "mktree", input=lines.encode())
        kind = "040000 tree"
    commit = git(repository.tree, "commit-tree", "-m", "bomb", tree)
    git(repository.tree, "push", "-q", str(repository.bare), f"{commit}:refs/heads/main")
    answer = source(f"{repository.bare}#main").read()
    assert isinstance(answer, Unknown)
    assert "2000 names" in answer.failure.detail


def test_names_that_are_not_utf8_are_shown_and_refused(repository, source):
    (repository.tree / os.fsdecode(b"manifests/\xff.yaml")).write_text("x")
    repository.push()
    snapshot = source().read().snapshot
    assert snapshot.files["manifests/\\xff.yaml"].kind == "io"
    assert "manifests/\\xff.yaml" in snapshot.manifests


def test_a_repository_larger_than_its_limit_is_unknown(repository, source, monkeypatch):
    monkeypatch.setattr(command_module, "MAX_FILE_BYTES", 512 * 1024)
    (repository.tree / "noise").write_bytes(os.urandom(2_000_000))
    repository.push()
    answer = source().read()
    assert isinstance(answer, Unknown)
    assert "too large" in answer.failure.summary


def test_a_server_that_never_answers_is_given_up_on(source, repository, monkeypatch, tmp_path):
    monkeypatch.setattr(mirror_module, "FETCH_LIMIT_S", 0.5)
    listening = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # accepts, by the backlog, and says nothing
    answer = source(f"http://127.0.0.1:{listening.server_port}/repo.git").read()
    listening.server_close()
    assert isinstance(answer, Unknown)
    assert "too slowly" in answer.failure.summary


def test_a_redirect_is_not_followed(source):
    visited = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            visited.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere{len(visited)}")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    answer = source(f"http://localhost:{server.server_port}/repo.git").read()
    server.shutdown()
    thread.join()
    server.server_close()
    assert isinstance(answer, Unknown)
    assert not [path for path in visited if "elsewhere" in path]
    assert len(visited) == 1


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "0.0.0.0", "fe80::1", "::ffff:169.254.169.254"])
def test_a_name_that_leads_where_no_server_may_be_is_not_visited(source, address, monkeypatch):
    import socket

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (address, 443))])
    answer = source("https://git.example.org/repo.git").read()
    assert isinstance(answer, Unknown)
    assert "where no git server may be" in answer.failure.detail


def test_git_missing_is_said(source, repository, monkeypatch):
    repository.push()
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert source().read().failure.summary == "git is not installed"


def test_the_mirror_is_nobody_elses_to_read(repository, source, tmp_path):
    repository.push()
    source().read()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    (mirror,) = (tmp_path / "state").glob("*.git")
    assert stat.S_IMODE(mirror.stat().st_mode) == 0o700


@pytest.mark.parametrize("data", [b"100644 a", b"100644 a\0" + b"x" * 19, b"\0" * 30, b" a\0" + b"x" * 20])
def test_a_tree_that_is_cut_off_is_broken_not_shorter(data):
    with pytest.raises(ObjectsBroken):
        parse_tree(data, 20)


def test_reading_leaves_no_process_and_no_descriptor_behind(repository, source):
    repository.push()
    reading = source()
    reading.read()
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before, others = len(os.listdir("/proc/self/fd")), children.read_text()  # of other tests, perhaps
    for number in range(3):
        repository.push(str(number))
        assert isinstance(reading.read(), Known)
    assert len(os.listdir("/proc/self/fd")) == before
    assert children.read_text() == others


def test_git_source_is_what_a_git_spec_opens(source, repository):
    assert isinstance(source(), GitSource)


def test_a_base_is_read_of_the_same_commit(repository, source):
    repository.write("manifests/a.yaml", "base base\n")
    repository.write("base/sub/b.yaml", "component components/hello\n")
    repository.push()
    snapshot = source().read().snapshot
    assert snapshot.manifests == ("manifests/a.yaml",)
    assert snapshot.files["base/"] == Listing(("base/sub/b.yaml",))
    assert "base/sub/b.yaml" in snapshot.files

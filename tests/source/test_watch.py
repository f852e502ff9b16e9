import os
import shutil
import threading

import pytest

from orchestrator.model.snapshot import Known
from orchestrator.model.source import GitSpec
from orchestrator.source import watch as watch_module
from orchestrator.source.folder import FolderSource
from orchestrator.source.spec import parse_source
from orchestrator.source.watch import FolderWatch, watch
from tests.source.conftest import git, references, write

PATIENCE_S = 20.0


class Watched:
    """A folder under watch, its reader, and the count of wake-ups."""

    def __init__(self, folder, root, artifacts, polling):
        self.spec = parse_source(str(folder), root=str(root), cwd=root)
        self.source = FolderSource(self.spec, references, artifacts)
        self.stop = threading.Event()
        self.woken = threading.Semaphore(0)
        self.watch = watch(self.spec, self.stop, lambda _: self.woken.release(), force_polling=polling)
        self.see()

    def see(self):
        answer = self.source.read()
        if isinstance(answer, Known):
            self.watch.update(answer.snapshot)
        return answer

    def see_until(self, check):
        """Read after each wake-up until the answer is the one meant; a write in two steps may wake twice."""
        answer = self.source.read()
        while not check(answer):
            assert self.woken.acquire(timeout=PATIENCE_S), f"nothing woke; last answer {answer}"
            answer = self.see()
        return answer

    def assert_wakes(self):
        assert self.woken.acquire(timeout=PATIENCE_S), "nothing woke"


@pytest.fixture(params=["inotify", "polling"])
def polling(request, monkeypatch):
    monkeypatch.setattr(watch_module, "POLL_S", 0.02)
    return request.param == "polling"


@pytest.fixture
def watched(project, artifacts, polling):
    started = []

    def start(folder=None):
        started.append(Watched(folder or project / "app/manifests", project, artifacts, polling))
        return started[-1]

    yield start
    for one in started:
        one.stop.set()
        one.watch.join(PATIENCE_S)
        assert not one.watch.is_alive()


def manifest(project):
    return project / "app/manifests/a.yaml"


def saved(project):
    manifest(project).write_text("component app/components/hello\n# changed\n")


def saved_by_renaming(project):
    temporary = write(project / "app/manifests/.a.yaml.tmp", "changed")
    os.rename(temporary, manifest(project))


def saved_by_deleting_first(project):
    manifest(project).unlink()
    manifest(project).write_text("changed")


def manifest_added(project):
    write(project / "app/manifests/b.yaml", "x")


def manifest_added_in_a_new_directory(project):
    write(project / "app/manifests/new/deep/b.yaml", "x")


def manifest_deleted(project):
    write(project / "app/manifests/b.yaml", "x")
    manifest(project).unlink()


def manifest_renamed(project):
    os.rename(manifest(project), project / "app/manifests/z.yaml")


def component_changed(project):
    write(project / "app/components/hello/Component.toml", "artifact other.wasm\n")


def artifact_rebuilt(project):
    write(project / "app/components/hello/hello.wasm", "wasm 2")


def artifact_rebuilt_by_renaming(project):
    os.rename(write(project / "app/components/hello/out.tmp", "wasm 2"), project / "app/components/hello/hello.wasm")


def artifact_deleted(project):
    (project / "app/components/hello/hello.wasm").unlink()


def component_folder_replaced(project):
    shutil.copytree(project / "app/components/hello", project / "app/components/next")
    write(project / "app/components/next/hello.wasm", "wasm 2")
    shutil.move(project / "app/components/hello", project / "gone")
    os.rename(project / "app/components/next", project / "app/components/hello")


def folder_deleted(project):
    shutil.rmtree(project / "app/manifests")


@pytest.mark.parametrize(
    "change",
    [
        saved,
        saved_by_renaming,
        saved_by_deleting_first,
        manifest_added,
        manifest_added_in_a_new_directory,
        manifest_deleted,
        manifest_renamed,
        component_changed,
        artifact_rebuilt,
        artifact_rebuilt_by_renaming,
        artifact_deleted,
        component_folder_replaced,
        folder_deleted,
    ],
    ids=lambda f: f.__name__,
)
def test_a_change_of_contents_wakes(project, watched, change):
    one = watched()
    change(project)
    one.assert_wakes()


def test_what_changed_between_the_callers_read_and_its_telling_wakes(project, watched):
    one = watched()
    snapshot = one.source.read().snapshot
    saved(project)
    one.assert_wakes()
    one.watch.update(snapshot)
    one.assert_wakes()


def permissions(project):
    manifest(project).chmod(0o600)


def times(project):
    os.utime(manifest(project), (1, 1))


def saved_unchanged(project):
    manifest(project).write_text(manifest(project).read_text())


def saved_unchanged_by_renaming(project):
    os.rename(write(project / "app/manifests/.tmp", manifest(project).read_text()), manifest(project))


def something_else(project):
    write(project / "app/manifests/notes.txt", "x")
    write(project / "app/manifests/.a.yaml.swp", "x")
    write(project / "app/components/hello/main.c", "x")
    write(project / "other", "x")


@pytest.fixture
def comparing(project, artifacts):
    """Compare once, in this thread: how often did it wake?"""
    spec = parse_source(str(project / "app/manifests"), root=str(project), cwd=project)
    woken = []
    watching = FolderWatch(spec, threading.Event(), lambda _: woken.append(1))

    def compare():
        watching.look()
        return len(woken)

    compare.see = lambda: watching.update(FolderSource(spec, references, artifacts).read().snapshot)
    return compare


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize(
    "change",
    [permissions, times, saved_unchanged, saved_unchanged_by_renaming, something_else],
    ids=lambda f: f.__name__,
)
def test_what_leaves_contents_alone_does_not_wake(project, comparing, change, told):
    if told:
        comparing.see()
    assert comparing() == 0
    change(project)
    assert comparing() == 0
    manifest_added(project)
    assert comparing() == 1


def test_one_change_wakes_once_even_if_nobody_looks(project, comparing):
    comparing.see()
    saved(project)
    assert [comparing(), comparing()] == [1, 1]
    folder_deleted(project)
    assert [comparing(), comparing()] == [2, 2]


def test_a_refused_file_alone_does_not_wake(project, comparing):
    path = project / "app/components/hello/hello.wasm"
    path.unlink()
    path.symlink_to("../../../outside.wasm")
    write(project / "outside.wasm", "x")
    comparing.see()
    assert [comparing(), comparing()] == [0, 0]
    path.unlink()
    write(path, "x")
    assert comparing() == 1


@pytest.mark.parametrize("times_gone", [1, 3])
def test_a_folder_that_comes_back_wakes_and_is_watched_again(project, watched, times_gone):
    one = watched()
    for _ in range(times_gone):
        shutil.rmtree(project / "app")
        one.see_until(lambda answer: not isinstance(answer, Known))
        write(manifest(project), "back")
        one.see_until(lambda answer: _text(answer, "app/manifests/a.yaml") == b"back")
        write(manifest(project), "changed")
        one.see_until(lambda answer: _text(answer, "app/manifests/a.yaml") == b"changed")


def _text(answer, path):
    return getattr(answer.snapshot.files.get(path), "data", None) if isinstance(answer, Known) else None


def test_a_new_reference_is_watched_once_it_was_seen(project, watched):
    one = watched()
    write(project / "app/components/new/Component.toml", "artifact new.wasm\n")
    write(project / "app/manifests/b.yaml", "component app/components/new\n")
    one.see_until(lambda answer: "app/components/new/Component.toml" in answer.snapshot.files)
    write(project / "app/components/new/new.wasm", "wasm new")
    one.see_until(lambda answer: _text(answer, "app/components/new/new.wasm") == b"wasm new")
    write(project / "app/components/new/new.wasm", "wasm newer")
    one.see_until(lambda answer: _text(answer, "app/components/new/new.wasm") == b"wasm newer")


def test_a_file_that_was_refused_and_is_mended_wakes(project, watched):
    path = project / "app/components/hello/hello.wasm"
    shutil.move(path, project / "outside.wasm")
    path.symlink_to("../../../outside.wasm")
    one = watched()
    assert one.source.read().snapshot.files["app/components/hello/hello.wasm"].kind == "escapes"
    os.rename(shutil.copy(project / "outside.wasm", path.with_suffix(".tmp")), path)
    one.see_until(lambda answer: _text(answer, "app/components/hello/hello.wasm") == b"wasm 1")


def test_a_volume_that_swaps_its_data_link_wakes(project, watched):
    volume = project / "volume"
    write(volume / "..1/a.yaml", "old")
    (volume / "..data").symlink_to("..1")
    (volume / "a.yaml").symlink_to("..data/a.yaml")
    one = watched(volume)
    write(volume / "..2/a.yaml", "new")
    (volume / "..tmp").symlink_to("..2")
    os.rename(volume / "..tmp", volume / "..data")
    one.see_until(lambda answer: _text(answer, "volume/a.yaml") == b"new")


def test_a_folder_named_by_a_link_wakes_when_the_link_moves_and_when_its_target_changes(project, watched):
    write(project / "releases/1/a.yaml", "one")
    write(project / "releases/2/a.yaml", "two")
    (project / "current").symlink_to("releases/1")
    one = watched(project / "current")
    (project / "next").symlink_to("releases/2")
    os.rename(project / "next", project / "current")
    one.see_until(lambda answer: _text(answer, "current/a.yaml") == b"two")
    write(project / "releases/2/a.yaml", "three")
    one.see_until(lambda answer: _text(answer, "current/a.yaml") == b"three")


def test_a_file_that_is_a_link_wakes_when_what_it_leads_to_changes(project, watched):
    write(project / "shared/deep/b.yaml", "one")
    (project / "app/manifests/b.yaml").symlink_to("../../shared/deep/b.yaml")
    one = watched()
    for text in ("two", "three"):
        write(manifest(project), text)
        one.assert_wakes()
    write(project / "shared/deep/b.yaml", "two")
    one.assert_wakes()


def test_a_directory_that_was_made_empty_is_watched(project, watched):
    one = watched()
    (project / "app/manifests/new").mkdir()
    for text in ("two", "three"):
        write(manifest(project), text)
        one.assert_wakes()
    manifest_added_in_a_new_directory(project)
    one.assert_wakes()


def test_a_single_file_is_watched_alone(project, watched):
    one = watched(manifest(project))
    write(project / "app/manifests/b.yaml", "x")
    saved(project)
    one.see_until(lambda answer: b"changed" in _text(answer, "app/manifests/a.yaml"))


def test_without_inotify_it_polls(project, artifacts, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch_module, "RustNotify", refuse)
    monkeypatch.setattr(watch_module, "POLL_S", 0.02)
    one = Watched(project / "app/manifests", project, artifacts, False)
    saved(project)
    one.assert_wakes()
    one.stop.set()
    one.watch.join(PATIENCE_S)


def test_a_burst_wakes_far_less_than_once_a_change(project, artifacts):
    one = Watched(project / "app/manifests", project, artifacts, False)
    for number in range(200):
        write(project / f"app/manifests/{number}.yaml", "x")
    one.see_until(lambda answer: len(answer.snapshot.manifests) == 201)
    wakes = 1
    while one.woken.acquire(blocking=False):
        wakes += 1
    assert wakes < 20
    one.stop.set()
    one.watch.join(PATIENCE_S)


def test_one_changed_file_of_many_is_read_and_no_other_is_looked_at(project, artifacts, monkeypatch):
    for number in range(300):
        os.utime(write(project / f"app/manifests/{number}.yaml", "x"), (1, 1))
    one = Watched(project / "app/manifests", project, artifacts, False)
    opened, lists = [], []

    def counted(call, calls):
        def counting(name, *arguments, **more):
            if threading.current_thread() is one.watch:
                calls.append(name)
            return call(name, *arguments, **more)

        return counting

    monkeypatch.setattr(os, "open", counted(os.open, opened))
    monkeypatch.setattr(os, "scandir", counted(os.scandir, lists))
    for number in range(20):  # it takes one or two until all that is to be watched is watched
        opened.clear()
        lists.clear()
        write(project / f"app/manifests/{number}.yaml", "another")
        one.assert_wakes()
        one.see()
        files = {name for name in opened if name.endswith(".yaml")}
        if not lists and files == {f"{number}.yaml"}:
            break
    else:
        pytest.fail(f"read {files}, listed {lists}")
    one.stop.set()
    one.watch.join(PATIENCE_S)


def test_a_repository_wakes_on_its_interval_until_stopped():
    stop, woken = threading.Event(), threading.Semaphore(0)
    spec = GitSpec(identity="x", repository="/x", ref="HEAD", path="", transport="file")
    thread = watch(spec, stop, lambda _: woken.release(), interval_s=0.001)
    for _ in range(3):
        assert woken.acquire(timeout=PATIENCE_S)
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_commit_wakes_though_no_file_of_the_source_changes(project, watched):
    git(project, "init", "--quiet", "-b", "main")
    git(project, "add", "--all", ".")
    git(project, "commit", "--quiet", "-m", "First")
    one = watched()
    assert not one.source.read().snapshot.commit.dirty
    saved(project)
    one.see_until(lambda answer: answer.snapshot.commit.dirty)
    git(project, "commit", "--quiet", "--all", "-m", "Second")
    answer = one.see_until(lambda answer: not answer.snapshot.commit.dirty)
    assert answer.snapshot.commit.subject == "Second"


@pytest.mark.parametrize(
    "change",
    [
        lambda base: write(base / "a.yaml", "component app/components/hello\n\n"),
        lambda base: write(base / "new.yaml", ""),
        lambda base: write(base / "deep/er/new.yaml", ""),
        lambda base: (base / "sub/b.yaml").unlink(),
        lambda base: shutil.rmtree(base),
    ],
    ids=["saved", "added", "added deep", "removed", "all removed"],
)
def test_a_change_of_a_base_wakes(project, watched, change):
    write(project / "app/manifests/a.yaml", "base base\n")
    write(project / "base/a.yaml", "component app/components/hello\n")
    write(project / "base/sub/b.yaml", "component app/components/hello\n")
    folder = watched()
    before = folder.see().snapshot.files
    change(project / "base")
    folder.see_until(lambda answer: answer.snapshot.files != before)

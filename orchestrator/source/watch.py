"""Turns changes of a source into wake-ups that say where to look; the agent starts one for each source that it follows.

A folder wakes when the *contents* of a manifest, or of a file one refers to, differ from what the caller has seen, or
when its work tree stands at another commit; a report of the kernel is only a reason to compare, and says which files.
Everything is compared when that is not plain, and now and then. A repository wakes on an interval.
It never reads a source for its caller, never says what became of a file, and waits for nothing that is half-written.
"""

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Protocol

from watchfiles._rust_notify import RustNotify

from orchestrator.model.snapshot import (
    Artifact,
    Content,
    FileEntry,
    Listing,
    Snapshot,
    SourceAnswer,
    Unknown,
    Unreadable,
)
from orchestrator.model.source import FolderSpec, SourceSpec
from orchestrator.source.folder import FolderDirectory, listing, opened_root
from orchestrator.source.gather import MAX_ARTIFACT_BYTES, SUFFIXES, TooMuch, manifest_paths, printable
from orchestrator.source.pace import Pace
from orchestrator.source.walk import PathFault, fault_of, located, located_directory
from orchestrator.source.work_tree import git_dir_of, head_of

GIT_INTERVAL_S = 15.0
PACE_LOOK_S = 5.0  # how soon a wait for a repository that was away is cut short once it is not
STEP_MS = 20  # the kernel's reports are gathered until there is none for this long
DEBOUNCE_MS = 50  # and no longer than this, so that a reader hears of what is still being written
RECHECK_MS = 30_000  # compared anyway, for changes the kernel does not report (network file systems)
POLL_S = 1.0  # compared this often where the kernel reports nothing at all
REPORTED_MAX = 1_000  # files that are compared one by one; more are compared with all others
MAX_WATCHED = 8_192  # directories; beyond that it polls, to leave inotify's limit to others

Wake = Callable[[Collection[str] | None], object]  # told which files, below the root, may be others; None for any
Reports = set[tuple[int, str]] | str  # of the kernel: what happened, and where; or why there are none


class Watch(Protocol):
    """A thread that wakes its caller until told to stop."""

    def update(self, snapshot: Snapshot) -> None:
        """Say what the caller has seen; a difference from it, one that was there already included, wakes."""

    def looked(self, answer: SourceAnswer) -> None:
        """Say what a look found; from any thread."""

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has noticed that it shall stop."""


def watch(
    spec: SourceSpec,
    stop: threading.Event,
    wake: Wake,
    *,
    interval_s: float = GIT_INTERVAL_S,
    force_polling: bool = False,
) -> Watch:
    """Start a thread that calls `wake` when `spec` may be worth reading, until `stop` is set.

    `interval_s` is for repositories; `force_polling` for folders whose file system reports nothing.
    """
    thread: FolderWatch | GitWatch
    if isinstance(spec, FolderSpec):
        thread = FolderWatch(spec, stop, wake, force_polling)
    else:
        thread = GitWatch(stop, wake, Pace(spec.identity, interval_s))
    thread.start()
    return thread


class GitWatch(threading.Thread):
    """Wakes at a pace, less often while nothing can be fetched: whether there is a new commit is found by reading."""

    def __init__(self, stop: threading.Event, wake: Wake, pace: Pace) -> None:
        super().__init__(name="airs-watch-git", daemon=True)
        self._stop_asked, self._wake, self._pace = stop, wake, pace

    def update(self, snapshot: Snapshot) -> None:
        """Do nothing: the commit tells."""

    def looked(self, answer: SourceAnswer) -> None:
        """Say what a look found."""
        self._pace.looked(is_unreachable=isinstance(answer, Unknown) and answer.failure.unreachable)

    def run(self) -> None:
        """Wake until stopped."""
        while not self._stop_asked.is_set():
            self._pace.begin()
            if self._is_time():
                self._wake(None)

    def _is_time(self) -> bool:
        """Wait as long as the newest look says, which may end meanwhile; False where it is stopped first."""
        began = time.monotonic()
        while (left := began + self._pace.wait_s - time.monotonic()) > 0:
            if self._stop_asked.wait(min(left, PACE_LOOK_S)):
                return False
        return True


class FolderWatch(threading.Thread):
    """Wakes when contents differ from what was seen last."""

    def __init__(self, spec: FolderSpec, stop: threading.Event, wake: Wake, force_polling: bool = False) -> None:
        super().__init__(name="airs-watch-folder", daemon=True)
        self._spec, self._stop_asked, self._wake, self._polling = spec, stop, wake, force_polling
        self._contents = _Contents(spec)
        self._told: Snapshot | None = None  # what the caller has seen, until it is taken up
        self._rearm = threading.Event()
        self._head = _Head(spec.work_tree)
        self._places: _Places | None = None

    def update(self, snapshot: Snapshot) -> None:
        """Say what the caller has seen."""
        self._told = snapshot
        self._head.see(snapshot.commit.id if snapshot.commit else "")
        self._rearm.set()

    def looked(self, answer: SourceAnswer) -> None:
        """Do nothing: the kernel tells."""

    def is_set(self) -> bool:
        """Tell watchfiles when to give control back, for which it drops what was reported and not told yet.

        It asks all the time, on this thread: the caller's view is taken up here, so that nothing is dropped.
        """
        return self._stop_asked.is_set() or (self._rearm.is_set() and not self._goes_on())

    def _goes_on(self) -> bool:
        """Take up what the caller has seen; whether what is watched is still what there is to watch."""
        told = self._take_up()
        if len(told) > REPORTED_MAX:
            return False
        self._wake_if(self._contents.differ_among(told), told)
        return self._places is not None and self._places.hold(told)

    def run(self) -> None:
        """Watch until stopped."""
        while not self._stop_asked.is_set():
            self._take_up()
            if self._polling:
                self.look()
                self._stop_asked.wait(POLL_S)
            else:
                self._until_places_change(_Places(self._spec, self._contents.paths()))

    def _until_places_change(self, places: "_Places") -> None:
        """Compare once what is watched is watched, since nothing from before is reported, and after every report."""
        self._places = places
        try:
            with places.watched() as watched:
                told = self._take_up()
                self._wake_if(self._contents.differ(), None)
                is_whole = places.hold(told)
                while is_whole and not self._stop_asked.is_set():
                    reports: Reports = watched.watch(DEBOUNCE_MS, STEP_MS, RECHECK_MS, self)
                    is_whole = not places.is_outdated(reports) and self._is_compared(places, reports)
        except FileNotFoundError:
            return  # a directory went away while it was about to be watched
        except (OSError, RuntimeError):  # RuntimeError is how watchfiles reports the rest of the kernel's refusals
            self._polling = True

    def _is_compared(self, places: "_Places", reports: Reports) -> bool:
        """Compare what may be another after reports; whether what is watched is still what there is to watch."""
        named = places.concerned(reports)
        if named is None or len(named) > REPORTED_MAX:
            self.look()
            return _Places(self._spec, self._contents.paths()) == places
        self._wake_if(self._contents.differ_among(named), named)
        return True

    def _take_up(self) -> Collection[str]:
        """Take up what the caller has seen; returns the files of which something else is known here."""
        self._rearm.clear()  # first: a word that comes meanwhile is taken up next time
        told, self._told = self._told, None
        return self._contents.see(told.files) if told is not None else ()

    def look(self) -> None:
        """Compare everything now, and wake if the contents differ from what was seen."""
        self._take_up()
        self._wake_if(self._contents.differ(), None)

    def _wake_if(self, differ: bool, among: Collection[str] | None) -> None:
        if differ or self._head.has_moved():
            self._wake(among)


class _Head:
    """The commit that the caller has seen, and whether the work tree stands at another one now."""

    def __init__(self, work_tree: str) -> None:
        self._work_tree = work_tree
        self._seen: str | None = None
        self._woke_for = ""

    def see(self, commit: str) -> None:
        """Say which commit the caller has seen, empty for none."""
        self._seen = commit

    def has_moved(self) -> bool:
        """Tell once of a commit that the caller has not seen."""
        if not self._work_tree or self._seen is None:
            return False
        now = head_of(self._work_tree)
        if now in ("", self._seen, self._woke_for):
            return False
        self._woke_for = now  # once: where git itself takes HEAD for something else, looking again changes nothing
        return True


def _same(one: FileEntry | None, other: FileEntry) -> bool:
    return one is other or one == other


def _print_of(entry: FileEntry) -> str:
    if isinstance(entry, Artifact):
        return entry.digest
    if isinstance(entry, Listing):
        return _digest_of(entry.paths)
    return _digest(entry.data) if isinstance(entry, Content) else ""


def _digest_of(paths: Iterable[str]) -> str:
    return _digest("\n".join(paths).encode("utf-8", "surrogateescape"))


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class _Contents:
    """The files as they were seen, compared with those there: read again only where times, size or inode say so.

    A file found to differ is taken for seen from then on, so that it is told once. `seen` is shared with the caller.
    """

    def __init__(self, spec: FolderSpec) -> None:
        self._spec = spec
        self._seen: Mapping[str, FileEntry] = {}
        self._bases: list[str] = []  # folders that overlays name
        self._noted: dict[str, str] = {}  # prints of files that were not seen so, by path; the folder's fault by ""
        self._stands: dict[str, int] = {}  # by path, the identity with which a file was found to be as it was seen
        self._is_told = False

    def paths(self) -> list[str]:
        """Name the files that were seen, and those that were found besides."""
        return [*self._seen, *(path for path in self._noted if path and path not in self._seen)]

    def see(self, files: Mapping[str, FileEntry]) -> set[str]:
        """Take the caller's word for what files hold; returns those of which something else was known here."""
        before, noted = self._seen, self._noted
        changed = {path for path, entry in files.items() if path in noted or not _same(before.get(path), entry)}
        gone = before.keys() - files.keys()
        self._seen, self._noted, self._is_told = files, {}, True
        self._bases = [path for path in files if path.endswith("/")]  # as no file's does
        others = (
            {path for path in changed if noted.get(path, "") != _print_of(files[path])}
            | gone
            | noted.keys() - files.keys()
        )
        for path in others:
            self._stands.pop(path, None)
        return others - {""}

    def differ(self) -> bool:
        """Compare everything that there is now and everything that was seen."""
        if not self._is_told:
            self._is_told = True
            self._compare_all()  # nobody has said what they saw: it is what there is
            return False
        return self._compare_all()

    def _compare_all(self) -> bool:
        try:
            with opened_root(self._spec.root) as root:
                listed = listing(root, self._spec)[1]
                names = {printable(path): identity for path, identity in listed.items()}
                came_back = self._noted.pop("", None) is not None
                others = (path for path in self.paths() if path not in names)
                found = [self._differs(root, path, identity) for path, identity in names.items()]
                found += [self._differs(root, path, None) for path in others]
                return came_back or any(found)
        except PathFault as fault:
            return self._is_faulty(fault.kind)
        except OSError as error:
            return self._is_faulty(fault_of(error).kind)
        except TooMuch as excess:
            return self._is_faulty(str(excess))

    def differ_among(self, paths: Collection[str]) -> bool:
        """Compare these files; one that is no file of the source does not differ."""
        mine = [path for path in paths if path in self._seen or path in self._noted or self._is_manifest(path)]
        mine += [folder for folder in self._bases if any(_is_in_base(folder, path) for path in paths)]
        if not mine:
            return False
        try:
            with opened_root(self._spec.root) as root:
                found = [self._differs(root, path, None) for path in mine]  # each is told once, whatever others are
                return any(found)
        except OSError:  # the root is gone
            return self._compare_all()

    def _is_manifest(self, path: str) -> bool:
        """Whether a file that was not seen would be one of the source's."""
        spec, prefix = self._spec, f"{self._spec.folder}/" if self._spec.folder else ""
        return path == prefix + spec.file if spec.file is not None else _is_manifest_below(prefix, path)

    def _is_faulty(self, fault: str) -> bool:
        is_new = self._noted.get("") != fault
        self._noted, self._stands = {"": fault}, {}
        return is_new

    def _differs(self, root: FolderDirectory, path: str, identity: Hashable | None) -> bool:
        if identity is not None and self._stands.get(path) == hash(identity):
            return False
        seen, now = self._seen.get(path), self._print(root, path)
        if now is None:
            return False
        if isinstance(seen, Unreadable) and seen.kind != "missing":  # it is as it is now, the first time
            now = f"{_inode(root.root, path)} {now}"
            is_other = self._noted.setdefault(path, now) != now
        else:
            before = self._noted.get(path) or (_print_of(seen) if seen is not None else "") or "missing"
            is_other = before != now
        if is_other:
            self._noted[path] = now
        return is_other

    def _print(self, root: FolderDirectory, path: str) -> str | None:
        """Return the content's digest, or what keeps it from being read; None where it is as it was found last."""
        stood = self._stands.pop(path, None)
        if path.endswith("/"):
            return _listed(root, path)
        try:
            with located(root, path) as (directory, name), directory.opened(name) as file:
                identity = file.identity
                if identity is not None and stood == hash(identity):
                    self._stands[path] = stood
                    return None
                digest = _digest(file.read(MAX_ARTIFACT_BYTES))
        except PathFault as fault:
            return fault.kind
        except OSError as error:
            return fault_of(error).kind
        if identity is not None:
            self._stands[path] = hash(identity)
        return digest


def _is_manifest_below(prefix: str, path: str) -> bool:
    """Whether a path is that of a manifest in a folder or below it, no name of it hidden."""
    parts = path.removeprefix(prefix).split("/")
    is_shown = not any(part.startswith(".") or part == "lost+found" for part in parts)
    return path.startswith(prefix) and is_shown and path.lower().endswith(SUFFIXES) and path.isprintable()


def _is_in_base(folder: str, path: str) -> bool:
    return _is_manifest_below(folder.lstrip("/"), path)


def _listed(root: FolderDirectory, folder: str) -> str:
    """Return the digest of the names of a base's manifests, or what keeps it from being read."""
    try:
        with located_directory(root, folder) as directory:
            return _digest_of(sorted(map(printable, manifest_paths(directory, folder.lstrip("/"), ()))))
    except PathFault as fault:
        return fault.kind
    except OSError as error:
        return fault_of(error).kind
    except TooMuch as excess:
        return str(excess)


def _inode(root: str, path: str) -> str:
    try:
        status = os.lstat(os.path.join(root, path))
    except OSError:
        return "-"
    return f"{status.st_ino}.{status.st_mtime_ns}"


class _Places:
    """The directories to watch, so that nothing that can change a file of the source goes unnoticed.

    That is every directory that holds a file of it, as named and as links lead there, and every directory on the way
    from above the root, since any of them may be replaced.
    """

    def __init__(self, spec: FolderSpec, paths: Iterable[str]) -> None:
        root, folder = spec.root, os.path.join(spec.root, spec.folder).rstrip("/") or "/"
        named = [os.path.join(root, path.lstrip("/")) for path in paths]
        folders = {os.path.dirname(path) for path in named} | {folder}
        real = {os.path.realpath(directory) for directory in folders}
        links = [path for path in named if os.path.islink(path)]
        holding = {*folders, *real, *(os.path.dirname(os.path.realpath(path)) for path in links)}
        if spec.file is None:
            holding.update(_directories_below(os.path.realpath(folder)))
        for base in (path for path in named if path.endswith("/")):
            holding.update(_directories_below(os.path.realpath(base)))
        self._holding = {d for d in holding if d == root or d.startswith(root.rstrip("/") + "/")}
        self._chain = {above for directory in self._holding for above in _down_from(root, directory)}
        around = {os.path.dirname(directory) for directory in self._chain}
        # Of git's directory only what lies in it: a commit changes the index as well, wherever its branch is kept.
        git = {git_dir_of(spec.work_tree)} if spec.work_tree else set()
        self._root, self._has_links = root.rstrip("/") + "/", bool(links) or not real <= folders
        self._directories = {d: i for d in self._chain | around | git if (i := _directory_inode(d)) is not None}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Places) and other._directories == self._directories

    __hash__ = None  # type: ignore[assignment]  # compared, never a key

    def watched(self) -> RustNotify:
        """Watch them all.

        Raises:
            OSError: one is gone, or the kernel watches no more.
        """
        if len(self._directories) > MAX_WATCHED:
            raise OSError(f"more than {MAX_WATCHED} directories")
        return RustNotify(list(self._directories), False, False, 0, False, True)

    def is_outdated(self, reports: Reports) -> bool:
        """Tell whether to start over: told to, or a watched directory came, went or was replaced."""
        if isinstance(reports, str):
            return reports == "stop"
        return any(path in self._chain for _, path in reports)

    def concerned(self, reports: Reports) -> set[str] | None:
        """Name the files, below the root, to which something happened; None where any file may be another now."""
        if isinstance(reports, str):
            return None
        here = {path for _, path in reports if os.path.dirname(path) in self._holding}
        if here and (self._has_links or not all(map(_is_plain, here))):
            return None
        return {path.removeprefix(self._root) for path in here}

    def hold(self, paths: Iterable[str]) -> bool:
        """Tell whether what happens to these files, below the root, is noticed."""
        named = (self._root + path for path in paths)
        return all(os.path.dirname(path) in self._holding and not os.path.islink(path) for path in named)


def _is_plain(path: str) -> bool:
    """Whether nothing but this one file is another when something happened at `path`: no link, no directory."""
    try:
        return path.isprintable() and stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _directories_below(folder: str) -> Iterator[str]:
    for directory, names, _ in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        yield directory


def _down_from(root: str, directory: str) -> Iterator[str]:
    while len(directory) > len(root):
        yield directory
        directory = os.path.dirname(directory)
    yield root


def _directory_inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)

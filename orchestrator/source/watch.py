"""Turns changes of a source into wake-ups that carry no meaning; the controller's `up` starts one per source.

A folder wakes when the *contents* of a manifest, or of a file one refers to, differ from what the caller has seen and
have held still for a moment, or when its work tree stands at another commit; what the kernel reports is only a reason
to compare. A repository wakes on an interval.
It never reads a source for its caller and never says what changed.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Protocol

from watchfiles._rust_notify import RustNotify

from orchestrator.model.snapshot import Artifact, Content, FileEntry, Snapshot
from orchestrator.model.source import FolderSpec, SourceSpec
from orchestrator.source.folder import FolderDirectory, listing, opened_root
from orchestrator.source.gather import MAX_ARTIFACT_BYTES, Manifests, TooMuch, printable
from orchestrator.source.walk import PathFault, fault_of, located
from orchestrator.source.work_tree import git_dir_of, head_of

GIT_INTERVAL_S = 15.0
QUIET_S = 0.05  # contents that are equal this long apart have settled
MAX_QUIET_ROUNDS = 40  # something that is written to all the time is worth a look after two seconds
STEP_MS = 20  # the kernel's reports are gathered until there is none for this long
DEBOUNCE_MS = 400  # and no longer than this
RECHECK_MS = 30_000  # compared anyway, for changes the kernel does not report (network file systems)
POLL_S = 1.0  # compared this often where the kernel reports nothing at all
MAX_REMEMBERED = 65_536  # digests of unchanged files
MAX_WATCHED = 8_192  # directories; beyond that it polls, to leave inotify's limit to others

Prints = dict[str, str]


class Watch(Protocol):
    """A thread that wakes its caller until told to stop."""

    def update(self, snapshot: Snapshot) -> None:
        """Say what the caller has seen; a difference from it, one that was there already included, wakes."""

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has noticed that it shall stop."""


def watch(
    spec: SourceSpec,
    stop: threading.Event,
    wake: Callable[[], None],
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
        thread = GitWatch(stop, wake, interval_s)
    thread.start()
    return thread


class GitWatch(threading.Thread):
    """Wakes every `interval_s`: whether there is a new commit is found by reading."""

    def __init__(self, stop: threading.Event, wake: Callable[[], None], interval_s: float) -> None:
        super().__init__(name="airs-watch-git", daemon=True)
        self._stop_asked, self._wake, self._interval_s = stop, wake, interval_s

    def update(self, snapshot: Snapshot) -> None:
        """Do nothing: the commit tells."""

    def run(self) -> None:
        """Wake until stopped."""
        while not self._stop_asked.wait(self._interval_s):
            self._wake()


class FolderWatch(threading.Thread):
    """Wakes when contents differ from what was seen last."""

    def __init__(
        self, spec: FolderSpec, stop: threading.Event, wake: Callable[[], None], force_polling: bool = False
    ) -> None:
        super().__init__(name="airs-watch-folder", daemon=True)
        self._spec, self._stop_asked, self._wake, self._polling = spec, stop, wake, force_polling
        self._contents = _Contents(spec)
        self._lock = threading.Lock()
        self._rearm = threading.Event()
        self._head = _Head(spec.work_tree)
        self._seen: dict[str, str | None] = {}
        self._has_looked = False

    def update(self, snapshot: Snapshot) -> None:
        """Say what the caller has seen."""
        with self._lock:
            self._seen = {path: _print_of(entry) for path, entry in snapshot.files.items()}
            self._has_looked = True
        self._head.see(snapshot.commit.id if snapshot.commit else "")
        self._rearm.set()

    def is_set(self) -> bool:
        """Tell watchfiles when to give control back: to stop, or to watch other directories."""
        return self._stop_asked.is_set() or self._rearm.is_set()

    def run(self) -> None:
        """Watch until stopped."""
        while not self._stop_asked.is_set():
            self._rearm.clear()
            places = _Places(self._spec, self._paths())
            if self._polling:
                self.look()
                self._stop_asked.wait(POLL_S)
            else:
                self._until_places_change(places)

    def _until_places_change(self, places: "_Places") -> None:
        """Compare once what is watched is watched, since nothing from before is reported, and after every report."""
        try:
            with places.watched() as watched:
                self.look()
                while not places.is_outdated(reports := watched.watch(DEBOUNCE_MS, STEP_MS, RECHECK_MS, self)):
                    if places.is_concerned(reports):
                        self.look()
                        if _Places(self._spec, self._paths()) != places:
                            return
        except FileNotFoundError:
            return  # a directory went away while it was about to be watched
        except (OSError, RuntimeError):  # RuntimeError is how watchfiles reports the rest of the kernel's refusals
            self._polling = True

    def _paths(self) -> list[str]:
        with self._lock:
            return list(self._seen)

    def look(self) -> None:
        """Compare now, and wake if the contents differ from what was seen, once they hold still."""
        now = self._contents.prints(self._watched())
        if not self._differs(now):
            if self._head.has_moved():
                self._wake()
            return
        for _ in range(MAX_QUIET_ROUNDS):
            if self._stop_asked.wait(QUIET_S):
                return
            before, now = now, self._contents.prints(self._watched())
            if now == before:
                break
        if self._differs(now):
            with self._lock:
                self._seen = dict(now)
            self._wake()

    def _watched(self) -> dict[str, str | None]:
        with self._lock:
            return dict(self._seen)

    def _differs(self, now: Prints) -> bool:
        """Compare with what was seen; what the caller could not read is taken as it is now, the first time."""
        with self._lock:
            if not self._has_looked:
                self._seen, self._has_looked = dict(now), True
            for path, seen in self._seen.items():
                if seen is None and path in now:
                    self._seen[path] = now[path]
            return now != self._seen


class _Head:
    """Which commit the caller has seen, and whether the work tree stands at another one now."""

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


def _print_of(entry: FileEntry) -> str | None:
    if isinstance(entry, Artifact):
        return entry.digest
    return _digest(entry.data) if isinstance(entry, Content) else None


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class _Contents:
    """Fingerprints of files, each hashed again only when its times, size or inode say so."""

    def __init__(self, spec: FolderSpec) -> None:
        self._spec = spec
        self._known: OrderedDict[Hashable, str] = OrderedDict()

    def prints(self, seen: Mapping[str, str | None]) -> Prints:
        """Take the fingerprints of the manifests there are now and of the paths in `seen`."""
        try:
            with opened_root(self._spec.root) as root:
                listed = listing(root, self._spec)[1]
                prints = {
                    printable(path): self._print(root, path, seen.get(printable(path), ""), listed) for path in listed
                }
                others = (path for path in seen if path and path not in prints)
                prints.update([(path, self._print(root, path, seen[path], listed)) for path in others])
                return prints
        except PathFault as fault:
            return {"": fault.kind}
        except OSError as error:
            return {"": fault_of(error).kind}
        except TooMuch as excess:
            return {"": str(excess)}

    def _print(self, root: FolderDirectory, path: str, seen: str | None, listed: Manifests) -> str:
        """Return the content's digest, or the inode with it where the caller could not read what we can."""
        identity = listed.get(path)
        known = self._known.get(identity) if identity is not None else None
        content = known or self._content(root, path)
        is_by_inode = seen is None or " " in seen
        return f"{_inode(root.root, path)} {content}" if is_by_inode else content

    def _content(self, root: FolderDirectory, path: str) -> str:
        try:
            with located(root, path) as (directory, name), directory.opened(name) as file:
                identity = file.identity
                known = self._known.get(identity) if identity is not None else None
                return known or self._remember(identity, _digest(file.read(MAX_ARTIFACT_BYTES)))
        except PathFault as fault:
            return fault.kind
        except OSError as error:
            return fault_of(error).kind

    def _remember(self, identity: Hashable | None, digest: str) -> str:
        if identity is not None:
            self._known[identity] = digest
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        return digest


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
        holding = {folder, os.path.realpath(folder)}
        named = [os.path.join(root, path) for path in paths]
        folders = {os.path.dirname(path) for path in named}
        holding.update(folders, map(os.path.realpath, folders))
        holding.update(os.path.dirname(os.path.realpath(path)) for path in named if os.path.islink(path))
        if spec.file is None:
            holding.update(_directories_below(os.path.realpath(folder)))
        self._holding = {d for d in holding if d == root or d.startswith(root.rstrip("/") + "/")}
        self._chain = {above for directory in self._holding for above in _down_from(root, directory)}
        around = {os.path.dirname(directory) for directory in self._chain}
        # Of git's directory only what lies in it: a commit changes the index as well, wherever its branch is kept.
        git = {git_dir_of(spec.work_tree)} if spec.work_tree else set()
        self._holding |= git
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

    def is_outdated(self, reports: set[tuple[int, str]] | str) -> bool:
        """Tell whether to start over: told to, or a watched directory came, went or was replaced."""
        if isinstance(reports, str):
            return reports == "stop"
        return any(path in self._chain for _, path in reports)

    def is_concerned(self, reports: set[tuple[int, str]] | str) -> bool:
        """Tell whether it is time to compare anyway, or something happened in a directory that holds a file."""
        return isinstance(reports, str) or any(os.path.dirname(path) in self._holding for _, path in reports)


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

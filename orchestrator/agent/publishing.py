"""Keeps the exported state in a file or a branch of a repository, written anew after each change.

A thread of its own does it, so that no pass of the controller and no request waits for a disk or a server. Decisions
that come while it writes are in the next version. A place that cannot be written is tried again, later each time, and
that is a condition of the agent until it works.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from orchestrator.agent.exporting import Exporting
from orchestrator.agent.fetching import Fetching
from orchestrator.agent.log import LOG
from orchestrator.agent.published_branch import PublishedBranch
from orchestrator.contract.documents import PublishedView
from orchestrator.exported.document import ExportedState
from orchestrator.exported.signed import STATE_MAX_BYTES, StateRefused, opened_state
from orchestrator.fetch.git import GitFetcher
from orchestrator.fetch.limits import FetchFailed
from orchestrator.model.event import Announce
from orchestrator.model.settings import PublishSection
from orchestrator.source.command import GitFailed
from orchestrator.store.files import write_whole

GATHER_S = 1.0  # how long decisions gather for one version, so that a rollout of many is no version for each
LOOK_S = 30.0  # how often to look whether policies or trusted keys are others, of which no decision tells
AGAIN_S, AGAIN_MAX_S = 1.0, 60.0
CLOSE_S = 2.0  # for a push that is under way: git ends it without us
FAULTS = (OSError, GitFailed, FetchFailed, StateRefused)


class PublishedPlace(Protocol):
    """A place that the state is kept in."""

    @property
    def place(self) -> str:
        """Name it, as people read it."""

    def current(self) -> bytes:
        """Return the version that is there; empty for none."""

    def put(self, data: bytes, subject: str) -> None:
        """Write a version over the one before; `subject` says in a line what it is."""


class PublishedFile:
    """A file that is there whole at any time; it keeps its mode, so that the operator may let others read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        """The file."""
        return str(self._path)

    def current(self) -> bytes:
        """Return what the file holds; empty where there is none."""
        try:
            with self._path.open("rb") as file:
                return file.read(STATE_MAX_BYTES + 1)
        except FileNotFoundError:
            return b""

    def put(self, data: bytes, subject: str) -> None:
        """Replace the file.

        Raises:
            OSError: it cannot be written; the version before is still there.
        """
        mode = None
        with suppress(FileNotFoundError):
            mode = os.stat(self._path).st_mode & 0o777
        write_whole(self._path, data)
        if mode is not None:
            self._path.chmod(mode)


def published_places(section: PublishSection, state_dir: Path, fetching: Fetching) -> tuple[PublishedPlace, ...]:
    """Return the places that a section names."""
    places: list[PublishedPlace] = [PublishedFile(Path(section.file))] if section.file else []
    if section.repository:
        hosts = GitFetcher(state_dir, fetching.settings, fetching.passed_on)
        folder = state_dir / "publish.git"
        places.append(PublishedBranch(section, folder, fetching.passed_on, hosts.of_host))
    return tuple(places)


class Publishing:
    """The published state of one agent; it has no thread where no place is named."""

    def __init__(
        self, places: Sequence[PublishedPlace], exporting: Exporting, mark: Callable[[], object], announce: Announce,
        now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        """Set it up; `mark` returns something that differs once the state does, in a way that a plan could notice."""
        self._places, self._exporting, self._mark = places, exporting, mark
        self._announce, self._now_ms = announce, now_ms
        self._woken, self._closing = threading.Event(), threading.Event()
        self._done: dict[str, object] = {}  # the mark of what each place has
        self._view = PublishedView(places=tuple(place.place for place in places))
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)

    def begin(self) -> None:
        """Publish the state, and go on as it changes."""
        if self._places:
            self._thread.start()

    def close(self) -> None:
        """Publish no more; while the controller still runs, which a version is asked of."""
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def decided(self) -> None:
        """Take note that something was decided; from any thread, and at once."""
        self._woken.set()

    @property
    def view(self) -> PublishedView | None:
        """How it is, for people and tools; None where nothing is published."""
        return self._view if self._places else None

    def _run(self) -> None:
        wait_s = AGAIN_S
        while not self._closing.is_set():
            self._woken.clear()
            is_done = self._publish()
            wait_s = AGAIN_S if is_done else min(2 * wait_s, AGAIN_MAX_S)
            self._closing.wait(GATHER_S)
            if is_done:
                self._woken.wait(LOOK_S)
            else:
                self._closing.wait(wait_s)

    def _publish(self) -> bool:
        """Bring every place up to date; whether all of them are."""
        mark = self._mark()
        late = [place for place in self._places if self._done.get(place.place) != mark]
        if not late:
            return True
        faults = []
        try:
            made = self._exporting.state()
            data = self._exporting.signed(made)
        except FAULTS as fault:
            faults.append(_told(fault))
        else:
            subject = f"State at serial {made.state.serial}: {len(made.state.deployments)} deployments"
            faults += filter(None, (self._put(place, made, (data, subject), mark) for place in late))
            self._tell("; ".join(faults), made.state.serial)
            return not faults
        self._tell("; ".join(faults), self._view.serial)
        return False

    def _put(self, place: PublishedPlace, made: ExportedState, version: tuple[bytes, str], mark: object) -> str:
        """Write a version, unless an agent before has written it; returns why that could not be done."""
        try:
            if place.place in self._done or not _is_same(place.current(), made):
                place.put(*version)
        except FAULTS as fault:
            return f"{place.place}: {_told(fault)}"
        self._done[place.place] = mark
        return ""

    def _tell(self, problem: str, serial: int) -> None:
        before = self._view.problem
        done = {} if problem else {"serial": serial, "at": self._now_ms()}
        self._view = PublishedView(places=self._view.places, problem=problem, **_kept(self._view, done))
        if problem and not before:
            self._announce(None, "publish-failing", f"the state cannot be published: {problem}; it is tried again")
        elif before and not problem:
            self._announce(None, "publish-works", "the state is published again")
        if problem:
            LOG.warning("the state cannot be published: %s", problem)


def _is_same(data: bytes, made: ExportedState) -> bool:
    """Whether a plan would find the same in a version that is there already."""
    try:
        there = opened_state(data)
    except StateRefused:
        return False
    before, after = ((one.state.lineage, one.state.serial, one.rules, one.trust) for one in (there, made))
    return before == after


def _kept(view: PublishedView, done: dict[str, int]) -> dict[str, int]:
    return {"serial": view.serial, "at": view.at} | done


def _told(fault: Exception) -> str:
    if isinstance(fault, OSError):
        return fault.strerror or str(fault)
    return fault.said if isinstance(fault, GitFailed) else str(fault)

"""Keeps the exported state in a file or a branch of a repository, written anew after each change.

A thread for each place does it, so that no pass of the controller and no request waits for a disk or a server.
Decisions that come while it writes are in the next version. A place that cannot be written is tried again, later each
time; `airs agent status` tells of it until it works.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

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


class PlaceKeeper:
    """Keeps one place up to date, in a thread of its own: one that hangs holds up no other."""

    def __init__(
        self, place: PublishedPlace, exporting: Exporting, mark: Callable[[], object], announce: Announce,
        now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        """Set it up; `mark` returns something that differs once the state does, in a way that a plan could notice."""
        self._place, self._exporting, self._mark = place, exporting, mark
        self._announce, self._now_ms = announce, now_ms
        self._woken, self._closing = threading.Event(), threading.Event()
        self._done: object = None  # the mark of what the place has
        self.view = PublishedView(place=place.place)
        self.thread = threading.Thread(target=self._run, name="publish", daemon=True)

    def wake(self) -> None:
        """Look whether the state is another one."""
        self._woken.set()

    def end(self) -> None:
        """Write no more versions."""
        self._closing.set()
        self._woken.set()

    def _run(self) -> None:
        wait_s = AGAIN_S
        while not self._closing.is_set():
            self._woken.clear()
            problem = self._publish()
            self._tell(problem)
            self._closing.wait(GATHER_S)
            if problem:
                self._closing.wait(wait_s)
            else:
                self._woken.wait(LOOK_S)
            wait_s = min(2 * wait_s, AGAIN_MAX_S) if problem else AGAIN_S

    def _publish(self) -> str:
        """Bring the place up to date; returns why that could not be done."""
        mark = self._mark()
        if self._done == mark:
            return ""
        try:
            made = self._exporting.state()
            data, subject = self._exporting.signed(made), _subject(made)
            if self._done is not None or not _is_same(self._place.current(), made):
                self._place.put(data, subject)
        except FAULTS as fault:
            return f"{self._place.place}: {_told(fault)}"
        self._done = mark
        self.view = replace(self.view, serial=made.state.serial, at=self._now_ms())
        return ""

    def _tell(self, problem: str) -> None:
        before = self.view.problem
        self.view = replace(self.view, problem=problem)
        if problem and not before:
            self._announce(None, "publish-failing", f"the state cannot be published: {problem}; it is tried again")
        elif before and not problem:
            self._announce(None, "publish-works", f"the state is published again: {self._place.place}")
        if problem and problem != before:
            LOG.warning("the state cannot be published: %s", problem)


class Publishing:
    """The published state of one agent; it has no thread where no place is named."""

    def __init__(self, keepers: Sequence[PlaceKeeper]) -> None:
        self._keepers = tuple(keepers)

    def begin(self) -> None:
        """Publish the state, and go on as it changes."""
        for keeper in self._keepers:
            keeper.thread.start()

    def close(self) -> None:
        """Publish no more; while the controller still runs, which a version is asked of."""
        for keeper in self._keepers:
            keeper.end()
        for keeper in self._keepers:
            if keeper.thread.is_alive():
                keeper.thread.join(CLOSE_S)

    def decided(self) -> None:
        """Take note that something was decided; from any thread, and at once."""
        for keeper in self._keepers:
            keeper.wake()

    @property
    def views(self) -> tuple[PublishedView, ...]:
        """How each place is, for people and tools."""
        return tuple(keeper.view for keeper in self._keepers)


def _subject(made: ExportedState) -> str:
    count = len(made.state.deployments)
    return f"State at serial {made.state.serial}: {count} deployment{'s' * (count != 1)}"


def _is_same(data: bytes, made: ExportedState) -> bool:
    """Whether a plan would find the same in a version that is there already."""
    try:
        there = opened_state(data)
    except StateRefused:
        return False
    before, after = ((one.state.lineage, one.state.serial, one.rules, one.trust) for one in (there, made))
    return before == after


def _told(fault: Exception) -> str:
    if isinstance(fault, OSError):
        return fault.strerror or str(fault)
    return fault.said if isinstance(fault, GitFailed) else str(fault)

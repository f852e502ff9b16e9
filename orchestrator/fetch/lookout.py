"""The components that an agent's sources want fetched: looked up on threads of their own, again when it is time.

Reading a source never waits for a network. The source says what it wants and is given what is there; once a look found
something else, the source is read again. A failure is looked at again after a while that doubles.
"""

import heapq
import logging
import threading
from collections.abc import Callable, Sequence
from itertools import count

from msgspec.structs import replace

from orchestrator.fetch.fetcher import Fetcher
from orchestrator.fetch.files import PackageFiles, Wanted, with_files
from orchestrator.fetch.limits import FetchFailed
from orchestrator.model.component_source import ComponentUse, RemoteComponent
from orchestrator.model.package import PackageReference
from orchestrator.model.snapshot import Known, KnownEmpty, SourceAnswer
from orchestrator.source.changes import Changed
from orchestrator.source.reader import Read

LOG = logging.getLogger("fetch")
FIRST_RETRY_MS, LONGEST_RETRY_MS = 1_000, 300_000
TOUCH_MS = 3_600_000  # how often the use of a reference is noted
Told = Callable[[PackageReference, PackageReference | None], None]  # what a look found, and what was known before


class _Look:
    """One reference that sources want: who is woken by news of it, and when it is looked up again."""

    def __init__(self, use: ComponentUse) -> None:
        self.remote: RemoteComponent = use.remote
        self.refresh_ms = use.refresh_ms
        self.sources: dict[str, Callable[[], object]] = {}
        self.due_ms: int | None = None  # None: never, or it is being looked up
        self.is_running = False
        self.touched_ms = 0


class Lookout:
    """Looks references up for all sources of one agent. `told` hears of each look that found something new."""

    def __init__(
        self, fetcher: Fetcher, files: PackageFiles, now_ms: Callable[[], int], at_once: int, told: Told
    ) -> None:
        self._fetcher, self._files, self._now_ms, self._told = fetcher, files, now_ms, told
        self._looks: dict[str, _Look] = {}
        self._due: list[tuple[int, int, str]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._is_closed = False
        self._turns = threading.Semaphore(at_once)
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Look no more; a fetch that is going on ends by itself."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def wrapped(self, source: str, read: Read, wake: Callable[[], object]) -> Read:
        """Return a `read` whose snapshots have the components that they want; `wake` asks for another reading."""
        wanted = Wanted()

        def read_with_components(changed: Changed, more: Callable[[], Changed]) -> SourceAnswer:
            answer = read(changed, more)
            if not isinstance(answer, Known | KnownEmpty):
                return answer
            uses = wanted.uses(answer.snapshot)
            self._want(source, uses, wake)
            return type(answer)(with_files(answer.snapshot, uses, self._fetcher.packages, self._files))

        return read_with_components

    def unwanted(self, source: str) -> None:
        """Look nothing up for a source any more."""
        self._want(source, (), lambda: None)

    def _want(self, source: str, uses: Sequence[ComponentUse], wake: Callable[[], object]) -> None:
        with self._changed:
            wanted = {use.remote.reference: use for use in uses}
            for reference, look in [*self._looks.items()]:
                if reference in wanted or source not in look.sources:
                    continue
                del look.sources[source]
                if not look.sources:
                    del self._looks[reference]
            for reference, use in wanted.items():
                look = self._looks.setdefault(reference, _Look(use))
                look.sources[source] = wake
                if use.refresh_ms and use.refresh_ms < (look.refresh_ms or use.refresh_ms + 1):
                    look.refresh_ms = use.refresh_ms
                self._plan(reference, look)

    def _plan(self, reference: str, look: _Look) -> None:
        """Set the time of the next look, if one is due at all; with the condition held."""
        if look.is_running:
            return
        note, now = self._fetcher.packages.reference(reference), self._now_ms()
        due = self._due_ms(look, note, now)
        if now - look.touched_ms > TOUCH_MS:
            look.touched_ms = now
            self._fetcher.packages.touch(reference, now / 1000)
        if due is None or (look.due_ms is not None and look.due_ms <= due):
            return
        look.due_ms = due
        heapq.heappush(self._due, (due, next(self._numbers), reference))
        if self._thread is None:
            self._thread = threading.Thread(target=self._go, name="airs-lookout", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _due_ms(self, look: _Look, note: PackageReference | None, now: int) -> int | None:
        if note is not None and note.failure:
            wait = min(LONGEST_RETRY_MS, FIRST_RETRY_MS << min(note.failures - 1, 20))
            return min(note.failed_ms, now) + wait
        if note is None or not self._files.is_here(note):
            return now
        is_over = not look.refresh_ms or self._files.is_settled(look.remote, note)
        return None if is_over else min(note.looked_ms, now) + look.refresh_ms

    def _go(self) -> None:
        while True:
            with self._changed:
                while not self._is_closed and (not self._due or self._due[0][0] > self._now_ms()):
                    self._changed.wait((self._due[0][0] - self._now_ms()) / 1000 if self._due else None)
                if self._is_closed:
                    return
                due, _, reference = heapq.heappop(self._due)
                look = self._looks.get(reference)
                if look is None or look.due_ms != due:  # nobody wants it any more, or at another time
                    continue
                look.due_ms, look.is_running = None, True
            self._turns.acquire()
            # A daemon: an agent that ends does not wait for a slow server.
            threading.Thread(target=self._attempt, args=(reference, look), name="airs-fetch", daemon=True).start()

    def _attempt(self, reference: str, look: _Look) -> None:
        try:
            self._look(reference, look)
        finally:
            self._turns.release()

    def _look(self, reference: str, look: _Look) -> None:
        before = self._fetcher.packages.reference(reference)
        try:
            self._fetcher.look(look.remote, self._now_ms())
        except FetchFailed as failed:
            LOG.info("%s: %s", reference, failed.sentence)
        except Exception:
            LOG.exception("%s could not be fetched for a fault of airs itself", reference)
            self._fetcher.packages.note(_faulty(before, reference, self._now_ms()))
        after = self._fetcher.packages.reference(reference)
        with self._changed:
            look.is_running = False
            wakes = [*look.sources.values()]
            if reference in self._looks:
                self._plan(reference, look)
        if after is not None and _is_news(before, after):
            self._told(after, before)
            for wake in wakes:
                wake()


def _faulty(before: PackageReference | None, reference: str, now_ms: int) -> PackageReference:
    note = before or PackageReference(reference=reference)
    return replace(
        note, failure="airs failed at it, and its log says where", failed_ms=now_ms, failures=note.failures + 1
    )


def _is_news(before: PackageReference | None, after: PackageReference) -> bool:
    if before is None:
        return True
    return (before.package, before.resolved, before.failure) != (after.package, after.resolved, after.failure)

"""Who runs when: short calls one after another, long ones on every core, waiting ones nowhere.

Work is done in steps. Its first step is short, as a guest gives way at the next tick, and is made by whoever has the
*turn*: one thread at a time, as short calls on several threads are slower than on one. Who submits work takes the turn
if it is free, so that a message need not change threads; a worker takes over what that leaves. Work that gave way is
long: it goes on among others of its kind on as many threads as there are cores. Work that waits for a moment is only
an entry among the timers. Work that holds its thread, or loads a component, gets threads apart.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import get_ident
from typing import Any

from orchestrator.model.work import GIVE_WAY, HOLD, LOAD, Pause, Until, Work
from orchestrator.supervise.job_threads import JobThreads
from orchestrator.supervise.ports import Clock
from orchestrator.supervise.threads import Crew, Held

GUEST_MAX = 64  # steps that a thread of somebody else makes before it is let go
WORKER_MAX = 1_024
LOADERS = 4  # components loaded or compiled at once
SPARE_WORKERS = 64  # workers stuck in a blocking host call for which another one is started


class Scheduler:
    """The real `Workers`."""

    def __init__(self, clock: Clock, cores: int | None = None) -> None:
        self._clock = clock
        self._ready: deque[Work[Any]] = deque()
        self._turn = threading.Lock()
        self._owner = 0  # the thread that has the turn
        self._own = threading.local()  # `.is_ours` on threads that never take the turn
        self._workers = _Workers(self._work)
        self._long = Crew("airs-long", cores or os.cpu_count() or 1, self._step_apart)
        self._loading = Crew("airs-load", LOADERS, self._step_apart)
        self._held = Held("airs-hold", self._step_apart)
        self._jobs = JobThreads()

    def submit(self, work: Work[Any]) -> None:
        """Do work soon; its first steps perhaps before this returns."""
        self._ready.append(work)
        if not getattr(self._own, "is_ours", False) and self._turn.acquire(blocking=False):
            self._take_turn(GUEST_MAX)
        elif self._owner == 0:
            self._workers.wake()

    def resume(self, work: Work[Any]) -> None:
        """Go on with work that waited, on a thread of ours."""
        self._ready.append(work)
        self._workers.wake()

    def submit_job(self, job: Callable[[], None]) -> None:
        """Run a job to its end, on a thread of its own."""
        self._jobs.submit(job)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Wrap a host call that may block: somebody else takes the turn."""
        if self._owner == get_ident():
            self._owner = 0
            self._turn.release()
            self._workers.replace()
        yield

    def close(self) -> None:
        """Let the threads end; does not wait."""
        self._workers.close()
        for crew in (self._long, self._loading, self._held):
            crew.close()

    def _work(self) -> None:
        if self._turn.acquire(blocking=False):
            self._take_turn(WORKER_MAX)

    def _take_turn(self, most: int) -> None:
        """Make steps until nothing is ready, or `most`; the turn is ours, and not any more afterwards."""
        me = get_ident()
        while True:
            self._owner = me
            try:
                self._make_steps(most)
            finally:  # the thread may be somebody else's, and be told to stop
                given_away = self._owner != me  # while a host call blocked
                if not given_away:
                    self._owner = 0
                    self._turn.release()
            if given_away or not self._ready:
                return
            if len(self._ready) > 1 or most == WORKER_MAX:
                self._workers.wake()
                return
            if not self._turn.acquire(blocking=False):
                return

    def _make_steps(self, most: int) -> None:
        me, ready = get_ident(), self._ready
        for _ in range(most):
            try:
                work = ready.popleft()
            except IndexError:
                return
            self._step(work)
            if self._owner != me:
                return

    def _step(self, work: Work[Any]) -> None:
        try:
            pause = work.send(None)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001 — a bug of ours: reported as a thread's end is, and nobody else's work ends
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
            return
        self._put(work, pause)

    def _step_apart(self, work: Work[Any]) -> None:
        self._own.is_ours = True
        self._step(work)

    def _put(self, work: Work[Any], pause: Pause) -> None:
        if pause is GIVE_WAY:
            self._long.put(work)
        elif pause is HOLD:
            self._held.put(work)
        elif pause is LOAD:
            self._loading.put(work)
        else:
            assert isinstance(pause, Until), pause
            delay_ms = max(0, pause.at_ns // 1_000_000 - self._clock.monotonic_ms())
            timer = self._clock.call_later(delay_ms, pause.wake)

            def go_on() -> None:
                timer.cancel()
                self.resume(work)

            pause.arrange(go_on)


class _Workers:
    """The threads that take the turn when nobody else does: one, and more while some are stuck."""

    def __init__(self, work: "Any") -> None:
        self._work = work
        self._wakes: SimpleQueue[bool] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._free = 0
        self._spawn()

    def wake(self) -> None:
        """Have one look whether the turn is free."""
        if self._wakes.qsize() < 2:  # one to wake a worker, one for it to look again after it has looked
            self._wakes.put(True)

    def replace(self) -> None:
        """Have one look though a worker may be stuck."""
        with self._lock:
            grow = self._free == 0 and self._threads < SPARE_WORKERS
        if grow:
            self._spawn()
        self.wake()

    def close(self) -> None:
        """Let them end."""
        for _ in range(self._threads):
            self._wakes.put(False)

    def _spawn(self) -> None:
        with self._lock:
            self._threads += 1
        threading.Thread(target=self._run, name="airs-guest", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._free:  # another one is there: this was a replacement that is not needed any more
                    self._threads -= 1
                    return
                self._free += 1
            go_on = self._wakes.get()
            with self._lock:
                self._free -= 1
            if not go_on:
                return
            self._work()

"""The scheduler of guests' work: short calls one after another, long ones on every core, waiting ones nowhere.

Work is done in steps. Its first step is short, as a guest gives way at the next tick, and is made by the thread that
has the *turn*: one at a time, as short calls on several threads are slower than on one. A thread that submits work
takes the turn if it is free, so that a message need not change threads; a worker takes over the rest. Work that gave
way is long: it goes on among others of its kind on as many threads as there are cores. Work that waits for a moment is
only an entry among the timers. Calls that hold their thread, and loading a component, get threads apart; a start that
needs no loading goes to one thread, as several would only take the interpreter from each other. A call that is over and
does not return is given up: its work goes on without it, and another thread takes the place of its own.
Work of a higher priority has more of the turns, whether it is short or long.
"""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic_ns
from typing import Any

from orchestrator.concurrency.clock import Clock
from orchestrator.concurrency.work import GIVE_WAY, LOAD, START, Held, Pause, Until, Work
from orchestrator.model.spec import Priority
from orchestrator.supervise.fair_queue import FairQueue
from orchestrator.supervise.threads import LOST, ThreadPerJob, WorkerPool, report

GUEST_MAX = 64  # steps that a thread of somebody else makes before it is let go,
GUEST_NS = 250_000  # or for how long, beyond the step that it brought: it would wait for work that is not its own
WORKER_MAX = 1_024
LOOK_MS = 25  # between two looks at whether a call that holds its thread is over
LOADERS = 4  # components loaded or compiled at once
HELD_MAX = 256  # guests that hold a thread each; further ones wait for one of those
Ready = tuple[Work[Any], Priority]
JOBS_MAX = 64  # jobs at work; further ones wait until one has ended


class _Thread(threading.local):
    """Of the thread that looks. A class has the default, as an attribute that is not there takes a microsecond."""

    is_ours = False  # it never takes the turn


class Scheduler:
    """The real `Workers`."""

    def __init__(self, clock: Clock, cores: int | None = None) -> None:
        self._clock = clock
        self._ready: FairQueue[Ready] = FairQueue()
        self._turn = threading.Lock()
        self._own = _Thread()
        self._wakes: SimpleQueue[bool] = SimpleQueue()
        threading.Thread(target=self._work, name="airs-guest", daemon=True).start()
        self._apart: dict[Pause, WorkerPool] = {
            GIVE_WAY: WorkerPool("airs-long", cores or os.cpu_count() or 1, self._step_apart),
            LOAD: WorkerPool("airs-load", LOADERS, self._step_apart),
            START: WorkerPool("airs-start", 1, self._step_apart),
        }
        self._held = ThreadPerJob("airs-hold", HELD_MAX)
        self._jobs = ThreadPerJob("airs-job", JOBS_MAX)
        self._holding: set[Held[Any]] = set()
        self._watching = threading.Lock()
        self._watches = False

    def submit(self, work: Work[Any], priority: Priority = Priority.NORMAL) -> None:
        """Do work soon; its first steps perhaps before this returns."""
        self._ready.put((work, priority), priority)
        if not self._own.is_ours and self._turn.acquire(blocking=False):
            self._take_turn(self._make_some_steps)
        elif not self._turn.locked():
            self._wake()

    def resume(self, work: Work[Any], priority: Priority = Priority.NORMAL) -> None:
        """Go on with work that waited, on a thread of ours."""
        self._ready.put((work, priority), priority)
        self._wake()

    def submit_job(self, job: Callable[[], None]) -> None:
        """Run a job to its end, on a thread of its own."""
        self._jobs.submit(job)

    def close(self) -> None:
        """Let the threads end; does not wait."""
        self._wakes.put(False)
        for pool in self._apart.values():
            pool.close()
        self._held.close()
        self._jobs.close()

    def _wake(self) -> None:
        """Let the worker look whether the turn is free."""
        if self._wakes.qsize() < 2:  # one to wake it, one for it to look again after it has looked
            self._wakes.put(True)

    def _work(self) -> None:
        while self._wakes.get():
            if self._turn.acquire(blocking=False):
                self._take_turn(self._make_many_steps)

    def _take_turn(self, make_steps: Callable[[], bool]) -> None:
        """Make steps until nothing is ready, or there were enough; the turn is ours, and not any more afterwards."""
        while True:
            is_enough = True
            try:
                is_enough = make_steps()
            finally:  # the thread may be somebody else's, and be told to stop
                self._turn.release()
            if not self._ready:
                return
            if is_enough:
                self._wake()
                return
            if not self._turn.acquire(blocking=False):  # for what came as the turn was let go
                return

    def _make_some_steps(self) -> bool:
        """Make steps on a thread of somebody else; False when nothing is ready any more."""
        take, until_ns = self._ready.take, 0
        for number in range(GUEST_MAX):
            ready = take()  # nobody else takes while the turn is ours
            if ready is None:
                return False
            self._step(*ready)
            if not number:  # the work that the thread brought, in most cases all there is
                continue
            until_ns = until_ns or monotonic_ns() + GUEST_NS
            if monotonic_ns() >= until_ns:
                return True
        return True

    def _make_many_steps(self) -> bool:
        take = self._ready.take
        for _ in range(WORKER_MAX):
            ready = take()
            if ready is None:
                return False
            self._step(*ready)
        return True

    def _step(self, work: Work[Any], priority: Priority) -> None:
        try:
            pause = work.send(None)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001 — a bug of ours: reported as a thread's end is, and nobody else's work ends
            report()
            return
        self._put(work, priority, pause)

    def _step_apart(self, work: Work[Any], priority: Priority) -> None:
        self._own.is_ours = True
        self._step(work, priority)

    def _put(self, work: Work[Any], priority: Priority, pause: Pause) -> None:
        if isinstance(pause, Held):
            self._hold(pause, work, priority)
        elif not isinstance(pause, Until):
            self._apart[pause].put(work, priority)
        else:
            delay_ms = max(0, pause.at_ns // 1_000_000 - self._clock.monotonic_ms())
            timer = self._clock.call_later(delay_ms, pause.wake)

            def go_on() -> None:
                timer.cancel()
                self.resume(work, priority)

            pause.arrange(go_on)

    def _hold(self, held: Held[Any], work: Work[Any], priority: Priority) -> None:
        """Make a call on a thread of its own, and go on there; elsewhere once it was given up."""

        def go_on_without() -> None:
            self._holding.discard(held)
            self._held.give_up()
            self.resume(work, priority)

        def make() -> object:
            goes_on = held.run()
            self._holding.discard(held)
            if not goes_on:
                return LOST
            self._step_apart(work, priority)
            return None

        held.given_up = go_on_without
        with self._watching:
            self._holding.add(held)
            begins, self._watches = not self._watches, True
        if begins:
            self._clock.call_later(LOOK_MS, self._watch)
        self._held.submit(make)

    def _watch(self) -> None:
        """Give up the calls that are over and do not return, and look again while there are any."""
        now_ns = monotonic_ns()
        for held in tuple(self._holding):
            if held.over_ns is not None and now_ns >= held.over_ns:
                held.give_up()
        with self._watching:
            self._watches = bool(self._holding)
        if self._watches:
            self._clock.call_later(LOOK_MS, self._watch)

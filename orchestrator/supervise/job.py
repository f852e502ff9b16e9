"""The runs of a job: one for each revision that a manifest asks for, and those that people ask for.

A run has a thread of its own (`Workers.submit_job`): it may take an hour, and no message waits for it. It is never
started twice and never restarted; another run takes another request. Nothing here is durable.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.job import JobOutcome
from orchestrator.model.message import Exited
from orchestrator.model.observed import ObservedInstance, Phase
from orchestrator.model.spec import Revision
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.ports import JobGuest, OutputTaker

AGAIN_MIN_MS, AGAIN_MAX_MS = 100, 30_000  # before a run that the host could not begin is tried again
RUNS_MAX = 32  # of one deployment at a time, by request
NAME_DIGITS = 6  # of the revision's id in a run's name


class RunRequest(NamedTuple):
    """A person's request of a run: arguments, None for those of the revision; and the taker of its output."""

    args: tuple[str, ...] | None = None
    taker: OutputTaker | None = None


_BY_MANIFEST = RunRequest()


class Run:
    """One run. `outcome` is there once it has ended; `ended` is called then, once, on the run's thread.

    A manifest's run `tries_again` where the host cannot begin it; `first_ms` is when it was first tried.

    Larger than most, as others read each of its attributes: the request, the moments of its life, its outcome.
    """

    def __init__(
        self, id: ComponentId, revision: Revision, environment: Environment, ended: Callable[["Run"], None],
        request: RunRequest = _BY_MANIFEST, *, tries_again: bool = False, first_ms: int | None = None,
    ) -> None:  # fmt: skip
        self.id, self.revision = id, revision
        self._has_begun, self._tries_again = False, tries_again
        self.outcome: JobOutcome | None = None
        self.started_ms = self.ended_ms = environment.clock.wall_ms()
        self.first_ms = self.started_ms if first_ms is None else first_ms
        self._environment, self._ended, self._request = environment, ended, request
        self._lock = threading.Lock()
        self._guest: JobGuest | None = None
        self._cancelled = False

    def start(self) -> None:
        """Begin, soon."""
        self._environment.workers.submit_job(self._work)

    @property
    def was_prevented(self) -> bool:
        """Whether the host could not begin it, so that it is tried again: nothing of it was done."""
        reason = None if self.outcome is None or self._has_begun else self.outcome.reason
        return self._tries_again and reason is not None and reason.kind is ExitKind.HOST_FAULT

    @property
    def again_ms(self) -> int:
        """How long after its end it is tried again: as long as that was tried already, within bounds."""
        return min(max(self.ended_ms - self.first_ms, AGAIN_MIN_MS), AGAIN_MAX_MS)

    def cancel(self) -> None:
        """End it as killed, or before it began."""
        with self._lock:
            self._cancelled = True
            guest = self._guest
        if guest is not None:
            guest.interrupt()

    def observe(self) -> ObservedInstance:
        """Describe it as the instance it is."""
        outcome = self.outcome
        reason = None if outcome is None else outcome.reason or _ended_by_itself(outcome)
        phase = Phase.RUNNING if outcome is None else Phase.STOPPED
        guest = self._guest
        return ObservedInstance(
            name=self.id.instance, revision=self.revision.id, phase=phase, ready=False, last_exit=reason,
            memory_bytes=0 if guest is None else guest.memory_bytes,
        )  # fmt: skip

    def _work(self) -> None:
        outcome = self._outcome()
        self.ended_ms = self._environment.clock.wall_ms()
        self.outcome = outcome
        if outcome.reason is not None:
            then = f"is tried again in {self.again_ms} ms" if self.was_prevented else "is not run again"
            self._environment.listener.exited(self.id, outcome.reason, then)
        self._ended(self)
        self._environment.listener.changed(self.id.deployment)

    def _outcome(self) -> JobOutcome:
        if self._cancelled:
            return JobOutcome(reason=ExitReason(kind=ExitKind.KILLED, detail="cancelled before it began"))
        try:
            started = self._environment.start_job(self.revision, self.id, *self._request)
            return JobOutcome(reason=started.reason) if isinstance(started, Exited) else self._run(started)
        except Exception as problem:  # noqa: BLE001 — a failure inside ends this run alone
            fault = ExitReason(kind=ExitKind.HOST_FAULT, detail=f"{type(problem).__name__}: {problem}")
            return JobOutcome(reason=fault)

    def _run(self, guest: JobGuest) -> JobOutcome:
        self._has_begun = True
        with self._lock:
            self._guest = guest
            cancelled = self._cancelled
        try:
            if cancelled:
                guest.interrupt()
            return guest.run()
        finally:
            with self._lock:
                self._guest = None
            guest.close()


class Runs:
    """The runs of one deployment. Every method may be called from any thread."""

    __slots__ = ("_asked", "_environment", "_key", "_lock", "_number", "_wanted")

    def __init__(self, key: DeploymentKey, environment: Environment) -> None:
        self._key, self._environment = key, environment
        self._lock = threading.Lock()
        self._wanted: dict[str, Run] = {}  # by revision: the run of a manifest, until its outcome was written down
        self._asked: list[Run] = []  # at work by request
        self._number = 0

    def once(self, revision: Revision) -> Run | None:
        """Return the one run of a revision, begun by the first call; None while another stands in its way.

        One that the host could not begin is begun anew once its wait is over.
        """
        with self._lock:
            found = self._wanted.get(revision.id)
            if found is not None and not self._is_to_be_tried_again(found):
                return found
            if revision.stateful and self._at_work():
                return found
            name, first_ms = f"{revision.id[:NAME_DIGITS]}-0", None if found is None else found.first_ms
            run = Run(
                self._id(name), revision, self._environment, self._wake_again, tries_again=True, first_ms=first_ms
            )
            self._wanted[revision.id] = run
        run.start()
        return run

    def _is_to_be_tried_again(self, run: Run) -> bool:
        return run.was_prevented and self._environment.clock.wall_ms() - run.ended_ms >= run.again_ms

    def _wake_again(self, run: Run) -> None:
        if run.was_prevented:
            again = partial(self._environment.listener.changed, run.id.deployment)
            self._environment.clock.call_later(run.again_ms, again)

    def find(self, revision: str) -> Run | None:
        """Return the run of a revision that `once` began."""
        return self._wanted.get(revision)

    def more(
        self, revision: Revision, args: tuple[str, ...] | None, taker: OutputTaker | None, ended: Callable[[Run], None]
    ) -> Run | None:
        """Run it by request or schedule; `args` None takes those of the revision. None when too many are at work."""
        with self._lock:
            if len(self._asked) >= RUNS_MAX or (revision.stateful and self._at_work()):
                return None
            self._number += 1
            name = f"{revision.id[:NAME_DIGITS]}-run-{self._number}"

            def end(run: Run) -> None:
                with self._lock:
                    self._asked.remove(run)
                ended(run)

            run = Run(self._id(name), revision, self._environment, end, RunRequest(args, taker))
            self._asked.append(run)
        run.start()
        return run

    def cancel(self, concerns: Callable[[Run], bool]) -> None:
        """Cancel the runs at work that this concerns."""
        for run in self._all():
            if run.outcome is None and concerns(run):
                run.cancel()

    def keep_only(self, revision: str | None) -> bool:
        """Cancel the runs of other revisions, and forget those that have ended; True when none of them is left."""
        with self._lock:
            others = [run for run in self._wanted.values() if run.revision.id != revision]
            for run in others:
                if run.outcome is not None:
                    del self._wanted[run.revision.id]
        left = [run for run in others if run.outcome is None]
        for run in left:
            run.cancel()
        return not left

    @property
    def is_at_work(self) -> bool:
        """Whether a run that a manifest asked for has not ended."""
        return any(run.outcome is None for run in [*self._wanted.values()])

    def end_all(self) -> bool:
        """Cancel every run; True once none is at work."""
        self.cancel(lambda _: True)
        return self.keep_only(None) and not self._asked

    def observe(self) -> tuple[ObservedInstance, ...]:
        """Describe the runs at work, and those whose end was not written down yet."""
        return tuple(run.observe() for run in self._all())

    def _all(self) -> list[Run]:
        with self._lock:
            return [*self._wanted.values(), *self._asked]

    def _at_work(self) -> bool:
        return bool(self._asked) or any(run.outcome is None for run in self._wanted.values())

    def _id(self, name: str) -> ComponentId:
        return ComponentId(self._key.namespace, self._key.name, name)


def _ended_by_itself(outcome: JobOutcome) -> ExitReason:
    return ExitReason(kind=ExitKind.NORMAL, detail=str(outcome), code=outcome.code)

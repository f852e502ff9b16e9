"""The ports of supervision, as protocols: a guest, a way to start one, workers, time.

The real ones are in `runtime`, `supervise/scheduler.py` and `supervise/timers.py`; the simulation brings its own.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from orchestrator.concurrency.work import Work
from orchestrator.model.event import NOTHING_MORE, About
from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.job import JobOutcome
from orchestrator.model.message import Answer, CallAnswer, Exited, Handled, Health, Mail, Message
from orchestrator.model.observed import ObservedGroup, Spent
from orchestrator.model.spec import CheckCall, Json, Priority, Revision
from orchestrator.supervise.groups import InstanceFailure
from orchestrator.supervise.policy import Decision


class GuestPort(Protocol):
    """A started instance. One call at a time, as work in steps; after an `Exited` it is only closed."""

    def handle(self, message: Message) -> Work[Answer]:
        """Give it a message."""

    def handle_many(self, mail: Sequence[Mail]) -> Work[Handled]:
        """Give it messages that want no reply, in order; it has not touched those that it was not given."""

    def handle_callback(self, message: Message) -> Work[Answer]:
        """Give it the answer to a request of its own."""

    def call(self, function: str, arguments: Sequence[Json], session: str | None = None) -> Work[CallAnswer]:
        """Call an exported function with JSON arguments, in a session that has what their handles mean."""

    def release(self, session: str, handles: Sequence[int] | None = None) -> Work[CallAnswer]:
        """Drop handles of a session, or all of them and the session."""

    @property
    def sessions(self) -> dict[str, int]:
        """The sessions there are, and how many handles each has; from any thread."""

    @property
    def spent(self) -> Spent:
        """The cost of messages and calls, as far as it was read; from any thread."""

    @property
    def memory_bytes(self) -> int:
        """How large its linear memories are together; from any thread."""

    def health(self, timeout_ms: int | None = None) -> Work[Health | Exited]:
        """Ask how it is; a component without a lifecycle is healthy once it was instantiated."""

    @property
    def has_constant_health(self) -> bool:
        """Whether `health()` can never say anything else than it said."""

    def check(self, work: Message | CheckCall, timeout_ms: int | None = None) -> Work[Answer | CallAnswer]:
        """Give it a message or call that only shows how it is."""

    def shutdown(self) -> Work[Exited | None]:
        """Let it say goodbye."""

    def interrupt(self) -> None:
        """End the call that is running, from another thread."""

    def close(self) -> None:
        """Free what it holds."""


StartGuest = Callable[[Revision, ComponentId], "Work[GuestPort | Exited]"]


class JobGuest(Protocol):
    """A started job, run once and then closed."""

    def run(self) -> JobOutcome:
        """Run it to its end."""

    @property
    def memory_bytes(self) -> int:
        """How large its linear memories are together; from any thread."""

    def interrupt(self) -> None:
        """End it, from another thread."""

    def close(self) -> None:
        """Free what it holds, once everything that it printed was taken."""


class OutputTaker(Protocol):
    """Somebody who takes a run's output while it runs. Must not block."""

    def write(self, stream: str, data: bytes) -> bool:
        """Take output to `stdout` or `stderr`; False asks for no more until `resume` is called."""

    def attach(self, resume: Callable[[], None]) -> None:
        """Say how to ask for more."""

    def close(self) -> None:
        """Take nothing any more, and hold nobody up."""


StartJob = Callable[[Revision, ComponentId, "tuple[str, ...] | None", "OutputTaker | None"], "JobGuest | Exited"]


class Membership(Protocol):
    """The group that a set of instances is in, as the set sees it."""

    def escalate(self, failure: InstanceFailure, *, again: bool) -> Decision:
        """Say what follows a failure, or follows `again` under an edited policy.

        Called under the instance's lock, and makes no call.
        """

    def look(self) -> None:
        """Do what can be done now that something of it changed."""

    def revive(self) -> bool:
        """Start the whole group again if it gave up; whether it had."""

    def observe(self) -> ObservedGroup | None:
        """Describe the group."""


class Workers(Protocol):
    """Threads that run guests."""

    def submit(self, work: Work[None], priority: Priority = Priority.NORMAL) -> None:
        """Do `work` soon, step by step; a higher priority has more of the turns."""

    def submit_job(self, job: Callable[[], None]) -> None:
        """Run `job` soon, on a thread of its own: it may take an hour."""


class Listener(Protocol):
    """The listener to changes, by which the controller looks again."""

    def changed(self, key: DeploymentKey) -> None:
        """Say that an instance's phase, readiness or health changed; called with no lock held."""

    def exited(self, instance: ComponentId, reason: ExitReason, then: str) -> None:
        """Report an exit and what follows from it, in words."""

    def announce(self, key: DeploymentKey, reason: str, message: str, about: About = NOTHING_MORE, /) -> None:
        """Report something else that people want to know of; `reason` is one word."""

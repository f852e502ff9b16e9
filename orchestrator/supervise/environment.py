"""The environment that all instances of a process share."""

from collections.abc import Callable

from orchestrator.concurrency.clock import Clock
from orchestrator.messaging.asking import Requests
from orchestrator.messaging.router import Router
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.message import Exited
from orchestrator.supervise.check_rounds import CheckRounds
from orchestrator.supervise.ports import Listener, StartGuest, StartJob, Workers


class Environment:
    """An instance's needs of its process. Without `start_job`, no job can be started; without `requests`, no request
    reaches anybody. `chance` draws a number from 0 up to 1.
    """

    __slots__ = ("chance", "checks", "clock", "listener", "requests", "start_guest", "start_job", "workers")

    def __init__(
        self, start_guest: StartGuest, workers: Workers, clock: Clock, listener: Listener, chance: Callable[[], float],
        start_job: StartJob | None = None, requests: Requests | None = None,
    ) -> None:  # fmt: skip
        self.start_guest, self.workers, self.clock, self.listener = start_guest, workers, clock, listener
        self.chance = chance
        self.checks = CheckRounds(clock, workers)
        self.start_job: StartJob = start_job or _no_jobs
        self.requests = requests or Requests(Router(), clock)


def _no_jobs(*_arguments: object) -> Exited:
    return Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail="nothing here runs jobs"))

"""The verbs in which kinds of workload differ."""

from typing import Protocol

from orchestrator.model.message import Undelivered
from orchestrator.model.observed import JobResult
from orchestrator.model.rollout import Rollout
from orchestrator.model.spec import Deployment
from orchestrator.supervise.service import Service


class Workload(Protocol):
    """The verbs by which one kind is brought to run. Each may be repeated; none decides when."""

    def tick(self, rollout: Rollout, service: Service, now_ms: int) -> Rollout:
        """Take one tick of a rollout to this kind."""

    def next_look_ms(self, rollout: Rollout, now_ms: int) -> int | None:
        """Say in how many ms to look at a rollout again; None when an event wakes us."""

    def shape(self, rollout: Rollout, service: Service, serving: Deployment | None, old: Deployment | None) -> None:
        """Make the world look as the rollout says; `serving` is what is stable, `old` what the rollout leads from."""

    def rest(self, stable: Deployment, service: Service) -> None:
        """Keep the stable revision alive, and nothing else."""

    def result(self, rollout: Rollout, service: Service) -> JobResult | None:
        """Return how a run that ended this rollout came out, where there is such a thing."""

    def has_tried(self, service: Service) -> bool:
        """Whether what serves has been started once, well or not."""

    def is_ready(self, stable: Deployment, service: Service) -> bool:
        """Whether what depends on it may start."""

    def takes_no_message(self, stable: Deployment, service: Service) -> Undelivered | None:
        """Say why it takes no message; None when it does."""

    def said_of(self, rollout: Rollout) -> str:
        """Say in a sentence what a rollout's phase means for its versions."""

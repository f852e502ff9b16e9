"""The polite end of what runs in an agent, and the end of calls that do not take a hint."""

from orchestrator.execute.fleet import Fleet
from orchestrator.execute.ledger import Ledger
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Undelivered
from orchestrator.plan.dependencies import free_to_end

GOODBYE = Undelivered("delivery-failed", "the agent is stopping")


class Shutdown:
    """Stops the guests of an agent once its controller has ended. Used by one thread."""

    def __init__(self, ledger: Ledger, fleet: Fleet) -> None:
        self._ledger, self._fleet = ledger, fleet
        self._ended: set[DeploymentKey] = set()

    def stop_guests(self, *, in_order: bool) -> bool:
        """Stop instances politely, what others need only after those, or all at once; True once all are gone.

        Repeated until then.
        """
        records, services = self._ledger.records, self._fleet.services
        left = {
            key: records[key].wanted.depends_on if key in records else () for key in services if key not in self._ended
        }
        stopping = free_to_end(left) if in_order else [*left]
        self._ended.update(key for key in stopping if services[key].stop(GOODBYE))
        return self._ended.issuperset(left)

    def interrupt_guests(self) -> None:
        """End every call that is under way, so that its caller is told."""
        for service in self._fleet.services.values():
            service.interrupt()

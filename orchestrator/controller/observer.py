"""Observes: joins the records, the services and what is known elsewhere, for the controller and the API."""

from collections.abc import Iterable

from orchestrator.execute.faults import Faults
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.ledger import Ledger
from orchestrator.model.observed import ObservedState, Record
from orchestrator.observe.message_rates import MessageRates
from orchestrator.observe.state import Elsewhere, observe


class Observer:
    """Observes the deployments of an agent."""

    def __init__(self, ledger: Ledger, fleet: Fleet, faults: Faults) -> None:
        self._ledger, self._fleet = ledger, fleet
        rates = MessageRates(fleet.clock.monotonic_ms)
        self._elsewhere = Elsewhere(
            fleet.rates.limited, fleet.router.kept, fleet.router.dead_letters, rates.of, faults.of
        )  # fmt: skip

    def staying(self) -> ObservedState:
        """Observe everything but what is being deleted, as plans are made from it."""
        return self.some(record for record in self._ledger.records.values() if not record.deleted)

    def everything(self) -> ObservedState:
        """Observe everything; for showing, from any thread."""
        return self.some(self._ledger.records.values())

    def some(self, records: Iterable[Record]) -> ObservedState:
        """Observe the deployments of some records."""
        ledger = self._ledger
        return observe(ledger.lineage, ledger.serial, records, self._fleet.services, self._elsewhere)

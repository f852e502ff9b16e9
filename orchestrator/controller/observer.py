"""Observes: joins the records, the services and what is known elsewhere, for the controller and the API."""

from collections.abc import Callable, Iterable, Iterator

from orchestrator.execute.faults import Faults
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.ledger import Ledger
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState, Record
from orchestrator.observe.message_rates import MessageRates
from orchestrator.observe.state import Elsewhere, observe, observe_each
from orchestrator.plan.dependencies import needs_in_force


def _nothing(_key: DeploymentKey) -> str:
    return ""


class Observer:
    """Observes the deployments of an agent."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, faults: Faults, ruling: Callable[[DeploymentKey], str] = _nothing
    ) -> None:  # fmt: skip
        self._ledger, self._fleet = ledger, fleet
        rates = MessageRates(fleet.clock.monotonic_ms)
        self._elsewhere = Elsewhere(
            fleet.rates.limited, fleet.router.kept, fleet.router.dead_letters, rates.of, faults.of, ruling
        )  # fmt: skip

    def staying(self) -> ObservedState:
        """Observe everything but what is being deleted, as plans are made from it."""
        return self.some(record for record in self._ledger.records.values() if not record.deleted)

    def each(self) -> Iterator[ObservedDeployment]:
        """Observe everything, one by one; for showing, from any thread."""
        return observe_each(self._ledger.records.values(), self._fleet.services, self._elsewhere)

    def one(self, key: DeploymentKey) -> ObservedDeployment | None:
        """Observe one deployment, beside those that it depends on; for showing, from any thread."""
        records = self._ledger.records
        record = records.get(key)
        if record is None:
            return None
        needed = (records.get(need) for need in needs_in_force(record) if need != key)
        return self.some([record, *filter(None, needed)]).by_key()[key]

    def some(self, records: Iterable[Record]) -> ObservedState:
        """Observe the deployments of some records."""
        ledger = self._ledger
        return observe(ledger.lineage, ledger.serial, records, self._fleet.services, self._elsewhere)

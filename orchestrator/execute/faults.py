"""Keeps the failure of one record from all others: it waits by itself, longer each time, and status says why.

Used by `actions` and `settle` around what they do for one record. A full disk or a database that takes nothing is no
record's failure: that goes to the loop, which tries the whole pass again.
"""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from orchestrator.concurrency.clock import Clock
from orchestrator.concurrency.table import Table
from orchestrator.execute.rollouts import ANNOUNCE
from orchestrator.model.ids import DeploymentKey
from orchestrator.store.database import DamagedRow, DatabaseFault

T = TypeVar("T")
LOG = logging.getLogger("controller")
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 60_000
DETAIL_MAX = 500  # characters of what went wrong


class RecordFault(msgspec.Struct, frozen=True):
    """The fault of one record, after so many `tries`, and when it is tried again, by the monotonic clock."""

    detail: str
    tries: int
    again_ms: int
    about: object  # what it was at: something else is tried at once


class Faults:
    """The faults of now, by record and by what was being done. Noted by the controller's thread; read by any."""

    def __init__(self, clock: Clock, announce: ANNOUNCE) -> None:
        self._clock, self._announce = clock, announce
        self._faults: Table[tuple[DeploymentKey, str], RecordFault] = Table()

    def guard(
        self, key: DeploymentKey, doing: str, about: object, act: Callable[[], T], failed: Callable[[RecordFault], T]
    ) -> T:
        """Return the result of `act`, or that of `failed` for its fault when it raises, or has to wait since it did.

        Raises:
            DatabaseFault, OSError: the machine's, so that nobody's turn would end better.
        """
        known = self._faults.get((key, doing))
        if known is not None and known.about == about and self._clock.monotonic_ms() < known.again_ms:
            return failed(known)
        try:
            result = act()
        except DamagedRow as problem:
            return failed(self._note(key, doing, about, problem))
        except (DatabaseFault, OSError):
            raise
        except Exception as problem:
            LOG.exception("%s: cannot %s for a fault of airs itself", key, doing)
            return failed(self._note(key, doing, about, problem))
        if known is not None:
            self._faults.drop((key, doing))
            self._announce(key, "recovered", f"{doing} works again")
        return result

    def forget(self, key: DeploymentKey) -> None:
        """Forget what is no more."""
        for known in [known for known in self._faults if known[0] == key]:
            self._faults.drop(known)

    def done(self, doing: str, is_done: Callable[[DeploymentKey], bool]) -> None:
        """Forget what was wrong with doing something for those for whom it is not to be done any more."""
        for known in [known for known in self._faults if known[1] == doing and is_done(known[0])]:
            self._faults.drop(known)

    @property
    def is_clear(self) -> bool:
        """Whether nothing waits for having failed."""
        return not self._faults

    def of(self, key: DeploymentKey) -> str:
        """Say what is wrong with a record and when it is tried again; empty when nothing is."""
        found = [(doing, fault) for (of, doing), fault in self._faults.items() if of == key]
        return "; ".join(self.told(doing, fault) for doing, fault in found)

    def told(self, doing: str, fault: RecordFault) -> str:
        """Say what went wrong, and what follows."""
        left_s = max(0, fault.again_ms - self._clock.monotonic_ms()) / 1000
        tries = f"{fault.tries} times, " if fault.tries > 1 else ""
        return f"cannot {doing}: {fault.detail} ({tries}tried again in {left_s:.0f}s, or when its manifest changes)"

    def left_ms(self, fault: RecordFault) -> int:
        """Return how long a fault's record waits."""
        return max(1, fault.again_ms - self._clock.monotonic_ms())

    def _note(self, key: DeploymentKey, doing: str, about: object, problem: Exception) -> RecordFault:
        before = self._faults.get((key, doing))
        tries = before.tries + 1 if before is not None and before.about == about else 1
        wait_ms = min(FIRST_WAIT_MS << min(tries - 1, 10), LONGEST_WAIT_MS)
        fault = RecordFault(_detail(problem), tries, self._clock.monotonic_ms() + wait_ms, about)
        self._faults.put((key, doing), fault)
        if before is None or before.detail != fault.detail:
            self._announce(key, "failed", self.told(doing, fault))
        return fault


def _detail(problem: Exception) -> str:
    if isinstance(problem, DatabaseFault):
        return str(problem)[:DETAIL_MAX]
    last = traceback.extract_tb(problem.__traceback__)[-1]
    said = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    return f"a fault of airs itself, {said[:DETAIL_MAX]}, in {Path(last.filename).name}:{last.lineno}"

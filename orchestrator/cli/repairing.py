"""`airs doctor --repair`: replaces a damaged database by what can be read of it, while nobody else has the state."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.contract.problem import Failure
from orchestrator.model.finding import Finding, ok, warning
from orchestrator.store.lock import Owner, StateLocked
from orchestrator.store.salvage import Salvaged, damage, salvage
from orchestrator.store.state_dir import StateDir


def repaired(path: Path) -> Iterator[Finding]:
    """Repair the state at `path` where it needs that.

    Raises:
        Failure: an agent, or another repair, holds it.
        StateDamaged, StateTooNew, NotPrivate, DatabaseFault: it cannot be repaired, and was not changed.
    """
    if not os.path.lexists(path / "VERSION"):
        yield ok("repair", "there is no state to repair")
        return
    state = StateDir(path)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with state.lock(Owner(pid=os.getpid(), started_at=started_at, command="airs doctor --repair", socket="")):
            yield _repaired(state.database)
    except StateLocked as locked:
        raise Failure("the state is in use; nothing was changed", str(locked), "`airs agent stop` first.") from None


def _repaired(database: Path) -> Finding:
    found = damage(database)
    if not found:
        return ok("repair", "the database is whole, and was left as it is")
    return _told(found, salvage(database))


def _told(found: str, saved: Salvaged) -> Finding:
    unread = f", {saved.gaps} places in it could not be read" if saved.gaps else ""
    strange = f", {saved.strange} rows were none of airs's" if saved.strange else ""
    hint = "Start the agent, look at `airs status` and `airs plan`, and apply what is missing again."
    summary = f"the database was made anew; saved: {saved.saved}{unread}{strange}; the old one is {saved.kept_at}"
    return warning("repair", summary, hint, found)

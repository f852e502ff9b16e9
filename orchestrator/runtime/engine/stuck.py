"""Calls that were given up and have not returned: each holds a thread and its instance's memory until it does.

`guest/store` enters and takes out; a deployment that has too many starts no further instance, which concerns no other.
"""

import threading
from collections import Counter

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import DeploymentKey

STUCK_MAX = 8  # of one deployment, before no instance of it is started any more


class Stuck:
    """How many such calls each deployment has; one for all engines of a runtime. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[DeploymentKey] = Counter()

    def enter(self, owner: DeploymentKey) -> None:
        """Count a call that was given up."""
        with self._lock:
            self._counts[owner] += 1

    def leave(self, owner: DeploymentKey) -> None:
        """Count one less: it has returned."""
        with self._lock:
            self._counts[owner] -= 1
            if not self._counts[owner]:
                del self._counts[owner]

    def refusal(self, owner: DeploymentKey) -> ExitReason | None:
        """Say why no instance of a deployment may be started; None when one may."""
        count = self._counts[owner]
        if count < STUCK_MAX:
            return None
        return ExitReason(
            kind=ExitKind.STUCK_CALLS,
            detail=f"{count} calls of {owner} outlived their timeout and still wait in WASI, each holding a thread: "
            f"no instance of it is started while there are {STUCK_MAX}",
        )

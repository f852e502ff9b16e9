"""Keeps the fingerprints in what sources want as they are now. The controller's thread asks it on each pass.

A value is read again only when something of the folder changed, which a thread looks for; it then wakes the controller.
"""

import threading
from collections.abc import Callable

from orchestrator.model.desired import DesiredState
from orchestrator.secrets.filled import Before, secret_names
from orchestrator.secrets.secrets import Secrets

LOOK_S = 1.0  # how often the folder is looked at, while somebody names a secret
SETTLE_S = 0.2  # a file may be half written: two looks so far apart have to agree


class WatchedSecrets:
    """Fills desired states, and fills them anew when a value changed."""

    def __init__(self, secrets: Secrets, wake: Callable[[], None]) -> None:
        self.secrets, self._wake = secrets, wake
        self._generation = 0
        self._is_named = threading.Event()  # some deployment names a secret
        self._stop = threading.Event()
        self._looked: dict[str, tuple[int, DesiredState]] = {}
        self._made: dict[str, tuple[int, DesiredState, DesiredState]] = {}
        self._before: dict[str, Before] = {}
        self._watching = threading.Thread(target=self._watch, name="secrets", daemon=True)

    def begin(self) -> None:
        """Look for changes from now on."""
        self._watching.start()

    def close(self) -> None:
        """Look for nothing more."""
        self._stop.set()
        self._is_named.set()
        if self._watching.ident is not None:
            self._watching.join()

    def filled(self, desired: DesiredState) -> DesiredState:
        """Return what a source wants with the fingerprints in force."""
        made = self._made.get(desired.source)
        if made is not None and made[0] == self._generation and made[1] is desired:
            return made[2]
        generation = self._generation  # before reading, so that a change meanwhile is looked at again
        before = self._before.setdefault(desired.source, {})
        filled = self._fill(desired, before)
        if len(before) > 2 * len(desired.deployments):  # of deployments that are gone
            before.clear()
        self._made[desired.source] = (generation, desired, filled)
        return filled

    def refilled(self, recorded: DesiredState) -> DesiredState:
        """Return a recorded wish with the fingerprints in force; the very same where it has them."""
        looked = self._looked.get(recorded.source)
        if looked is not None and looked[0] == self._generation and looked[1] is recorded:
            return recorded
        generation = self._generation
        filled = self._fill(recorded)
        if filled is recorded:
            self._looked[recorded.source] = (generation, recorded)
        return filled

    def _fill(self, desired: DesiredState, before: Before | None = None) -> DesiredState:
        self.secrets.note_sealed(desired.source, desired.sealed)
        filled = self.secrets.filled(desired, before)
        if filled is not desired or secret_names(filled):
            self._is_named.set()
        return filled

    def _watch(self) -> None:
        self._is_named.wait()
        seen: tuple[object, ...] = ()
        while not self._stop.is_set():
            now = self.secrets.signature()
            if now != seen:
                seen = self._settled(now)
                self._generation += 1
                self._wake()
            self._stop.wait(LOOK_S)

    def _settled(self, now: tuple[object, ...]) -> tuple[object, ...]:
        """Look until two looks agree, and return that one."""
        while not self._stop.wait(SETTLE_S):
            before, now = now, self.secrets.signature()
            if now == before:
                break
        return now

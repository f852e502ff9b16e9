"""The running agent → its exported state, signed: for `airs state export`, and for the file or ref it is published in.

`exported/document.py` says what is in it.
"""

from collections.abc import Callable

from msgspec.structs import replace

from orchestrator import __version__
from orchestrator.agent.describe_sources import SourceSeen
from orchestrator.exported.document import ExportedState, SourceFacts, export
from orchestrator.exported.signed import sealed_state, signing_seed
from orchestrator.model.observed import ObservedState
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.ruled import Judging

Sources = Callable[[], dict[str, SourceSeen]]


class Exporting:
    """Makes exported states; methods may be called from any thread but the controller's."""

    def __init__(
        self, observe: Callable[[], ObservedState], sources: Sources, judging: Callable[[], Judging],
        known: KnownFacts, key: bytes, now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._observe, self._sources, self._judging, self._known = observe, sources, judging, known
        self._seed, self._now_ms = signing_seed(key), now_ms

    def state(self) -> ExportedState:
        """Return the state as it is now, not yet signed."""
        observed, seen, judging = self._observe(), self._sources(), self._judging()
        facts = SourceFacts(
            {name: one.record for name, one in seen.items() if one.record is not None},
            {name: one.note for name, one in seen.items() if one.note is not None},
            {name: one.desired for name, one in seen.items() if one.desired is not None},
        )
        made = export(observed, facts, judging, self._known)
        return replace(made, made_ms=self._now_ms(), airs=__version__)

    def sealed(self) -> bytes:
        """Return the bytes of its file, as it is now.

        Raises:
            StateRefused: it is larger than would be read back.
        """
        return self.signed(self.state())

    def signed(self, state: ExportedState) -> bytes:
        """Sign a state, and return the bytes of its file.

        Raises:
            StateRefused: it is larger than would be read back.
        """
        return sealed_state(state, self._seed)

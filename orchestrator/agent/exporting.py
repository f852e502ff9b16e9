"""The running agent → its exported state, signed: for `airs state export`, and for the file or ref it is published in.

`exported/document.py` says what is in it. Worlds are those that the agent keeps beside compiled code; one that was
dropped there is found again in the artifact's bytes.
"""

from collections.abc import Callable

from msgspec.structs import replace

from orchestrator import __version__
from orchestrator.agent.describe_sources import SourceSeen
from orchestrator.exported.document import ExportedState, SourceFacts, artifacts_of, export
from orchestrator.exported.signed import sealed_state, signing_seed
from orchestrator.model.observed import ObservedState
from orchestrator.model.world import ArtifactFault, World
from orchestrator.plan.ruled import Judging
from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing, Artifacts

Sources = Callable[[], dict[str, SourceSeen]]


class ArtifactWorlds:
    """The worlds of kept artifacts; those that the last state needed are remembered."""

    def __init__(self, artifacts: Artifacts, inspect: Callable[[bytes, str], World]) -> None:
        self._artifacts, self._inspect = artifacts, inspect
        self._known: dict[str, World | None] = {}

    def look(self, digest: str) -> World | None:
        """Return the world of an artifact; None where it is not kept whole, or runs here no longer."""
        if digest not in self._known:
            self._known[digest] = self._found(digest)
        return self._known[digest]

    def keep_only(self, digests: tuple[str, ...]) -> None:
        """Forget all others."""
        self._known = {digest: self._known[digest] for digest in digests if digest in self._known}

    def _found(self, digest: str) -> World | None:
        try:
            return self._inspect(self._artifacts.read(digest), digest)
        except (ArtifactMissing, ArtifactDamaged, ArtifactFault):  # told where it is to be started
            return None


class Exporting:
    """Makes exported states; methods may be called from any thread but the controller's."""

    def __init__(
        self, observe: Callable[[], ObservedState], sources: Sources, judging: Callable[[], Judging],
        worlds: ArtifactWorlds, key: bytes, now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._observe, self._sources, self._judging, self._worlds = observe, sources, judging, worlds
        self._seed, self._now_ms = signing_seed(key), now_ms

    def state(self) -> ExportedState:
        """Return the state as it is now, not yet signed."""
        observed, seen, judging = self._observe(), self._sources(), self._judging()
        facts = SourceFacts(
            {name: one.record for name, one in seen.items() if one.record is not None},
            {name: one.note for name, one in seen.items() if one.note is not None},
            {name: one.desired for name, one in seen.items() if one.desired is not None},
        )
        made = export(observed, facts, judging, self._worlds.look)
        self._worlds.keep_only(artifacts_of(observed))
        return replace(made, made_ms=self._now_ms(), airs=__version__)

    def sealed(self) -> bytes:
        """Return the bytes of its file.

        Raises:
            StateRefused: it is larger than would be read back.
        """
        return sealed_state(self.state(), self._seed)

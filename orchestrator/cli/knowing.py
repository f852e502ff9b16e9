"""The facts that a plan made by a command asks for: worlds of artifacts, and what the agent or the records say.

Nothing is asked before it is needed: most plans change nothing that others call.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

from orchestrator.cli.context import Settings
from orchestrator.compiled.found import FoundWorlds
from orchestrator.compiled.sealed import SealedFolder
from orchestrator.compiled.worlds import Worlds
from orchestrator.contract.bodies import FACTS_MAX, FactsBody, SiblingsBody
from orchestrator.contract.documents import SiblingView
from orchestrator.model.desired import DesiredState
from orchestrator.model.facts import DeploymentFacts
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Artifact, Snapshot
from orchestrator.model.world import World
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.siblings import Sibling, Siblings
from orchestrator.store.layout import CACHE


def worlds_in(snapshot: Snapshot) -> dict[str, World]:
    """Return the worlds of a snapshot's artifacts, by their digests."""
    held = (entry for entry in snapshot.files.values() if isinstance(entry, Artifact))
    return {entry.digest: entry.world for entry in held if isinstance(entry.world, World)}


def found_worlds(settings: Settings) -> FoundWorlds:
    """Return the worlds of artifacts that the state directory has."""
    cache = settings.state_dir / CACHE
    try:
        inspected = Worlds(SealedFolder(cache)) if cache.is_dir() else None
    except OSError:  # somebody else's: what it says is not believed
        inspected = None

    def read(digest: str) -> bytes | None:
        from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing, Artifacts  # which few plans read

        try:
            return Artifacts(settings.state_dir / "artifacts" / "sha256").read(digest)
        except (ArtifactMissing, ArtifactDamaged, OSError):  # then it is not known, and the plan says so
            return None

    return FoundWorlds(inspected, read)


def _sibling(view: SiblingView) -> Sibling:
    wish = DesiredState(source=view.source, invalid=view.wants, unreadable_files=view.unreadable_files)
    sibling = Sibling(wish, view.unknown, watched=view.watched)
    sibling.now_named = dict(view.renames)
    return sibling


class KnownHere:
    """The facts that this command can find beside a source and the observed state; `keys` are those recorded."""

    def __init__(self, settings: Settings, snapshot: Snapshot, keys: Iterable[DeploymentKey]) -> None:
        self._settings, self._keys = settings, [*keys]
        self._held = worlds_in(snapshot)

    @property
    def known(self) -> KnownFacts:
        """The ports of a plan."""
        return KnownFacts(
            self._world, self._senders, lambda key: self._facts.get(key), siblings=lambda wish: self._siblings(wish)
        )

    def _siblings(self, wish: DesiredState) -> Siblings:
        """Return the sources beside that of a wish; none where no agent runs, which nobody watches then."""
        client = self._settings.connection()
        if not self._keys or not client.answers():
            return ()
        found = client.siblings(SiblingsBody(source=wish.source, root=wish.root))
        return [*map(_sibling, found)]

    def _world(self, artifact: str) -> World | None:
        return self._held.get(artifact) or self._found.world(artifact)

    def _senders(self, target: DeploymentKey) -> Sequence[DeploymentKey]:
        facts = self._facts.get(target)
        return [] if facts is None else [each.sender for each in facts.senders]

    @cached_property
    def _found(self) -> FoundWorlds:
        return found_worlds(self._settings)

    @cached_property
    def _facts(self) -> dict[DeploymentKey, DeploymentFacts]:
        return {facts.key: facts for facts in self._asked()} if self._keys else {}

    def _asked(self) -> Iterable[DeploymentFacts]:
        client = self._settings.connection()
        if client.answers():
            for first in range(0, len(self._keys), FACTS_MAX):
                yield from client.facts(FactsBody(keys=tuple(self._keys[first : first + FACTS_MAX])))
            return
        from orchestrator.store.facts import read_recorded_facts  # with the database, for which nobody waits otherwise

        yield from read_recorded_facts(self._settings.state_dir, self._keys)

"""States that plans are compared with where no agent is asked: an exported one, another revision's, or nothing.

`cli/against.py` calls it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.exported.document import ExportedSource, specs_of
from orchestrator.model.desired import DesiredState
from orchestrator.model.observed import ObservedDeployment, ObservedState, Record
from orchestrator.model.secret import LackingSecret, SecretName
from orchestrator.secrets.filled import with_fingerprints


def as_running(desired: DesiredState) -> ObservedState:
    """Return the state in which everything that a source wants has arrived."""
    records = (
        Record(key=one.key, source=desired.source, generation=1, wanted=one, stable=one) for one in desired.deployments
    )
    return ObservedState(lineage="", serial=0, deployments=tuple(ObservedDeployment(record=one) for one in records))


def with_secrets_of(desired: DesiredState, observed: ObservedState) -> DesiredState:
    """Return a desired state with the secrets as the observed state has them: where it is planned, nobody knows them.

    One that nothing used so far has no fingerprint, and is missing nowhere.
    """
    found: dict[SecretName, str | LackingSecret] = {}
    for seen in observed.deployments:
        for spec in reversed(specs_of(seen.record)):  # the one that was wanted last knows the newest value
            for use in spec.revision.secrets:
                found.setdefault(SecretName(namespace=seen.record.key.namespace, name=use.name), use.fingerprint)
    return with_fingerprints(desired, found)


class Taken(NamedTuple):
    """The sources of a state that a folder elsewhere may be, by what is read of them."""

    sources: tuple[ExportedSource, ...]

    @property
    def source(self) -> ExportedSource | None:
        """The one that it is; None for none, or several."""
        return self.sources[0] if len(self.sources) == 1 else None


def taken_for(identity: str, path: str, sources: Iterable[ExportedSource]) -> Taken:
    """Say which sources of a state a source read elsewhere stands for: that of its name, else those of its path.

    `path` is below the repository's root; a checkout lies elsewhere than the agent's, and has the same paths.
    """
    known = tuple(sources)
    named = tuple(one for one in known if one.name == identity)
    return Taken(named or tuple(one for one in known if one.place and one.path == path))


def placed_as(desired: DesiredState, source: ExportedSource) -> DesiredState:
    """Return a desired state under the root that the agent reads it from, which policies are asked about."""
    if not source.place or source.place == desired.root:
        return desired
    return replace(desired, root=source.place, root_reason=f"where the agent reads {source.name}")

"""The desired state of a source, resolved."""

from msgspec import UNSET, UnsetType

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.secret import LackingSecret, SealedSecret
from orchestrator.model.spec import Deployment
from orchestrator.model.who import By


class Permissions(Value, frozen=True):
    """Permissions that the operator gave for this apply, beyond the ordinary."""

    adopt: bool = False
    allow_mass_prune: bool = False
    allow_empty: bool = False
    allow_breaking: bool = False


def either(first: Permissions, second: Permissions) -> Permissions:
    """Return what one of two permissions allows."""
    return Permissions(
        adopt=first.adopt or second.adopt,
        allow_mass_prune=first.allow_mass_prune or second.allow_mass_prune,
        allow_empty=first.allow_empty or second.allow_empty,
        allow_breaking=first.allow_breaking or second.allow_breaking,
    )


class AwaitedComponent(Value, frozen=True):
    """A deployment of which nothing is wrong but that its component is not here yet, and where that is named."""

    key: DeploymentKey
    file: str
    line: int


class DesiredState(Value, frozen=True):
    """Everything one source wants, sorted by key.

    `invalid` names deployments that are written down but wrong: what they run keeps running. `unreadable_files`
    are manifests of which not even the names could be read (as shown to the user): the deployments they held stay.
    `empty` says that the source was read and held no deployment at all. `commit` is what was read, where that is known,
    and `revision` its id, with `-dirty` where the files differ from it.
    `by` is who applied it, None where it is watched. `sealed` are the values of secrets that it brings along, `lacking`
    the secrets that its deployments name and the agent cannot give. `awaited` are those of the `invalid` whose
    components are being fetched, or cannot be; a plan leaves them out, whose bytes they do not change. `overlays`
    are the manifests that hold overlays, as shown to the user.
    """

    source: str
    root: str = ""
    root_reason: str = ""
    revision: str | None = None
    commit: Commit | None = None
    by: By | None = None
    deployments: tuple[Deployment, ...] = ()
    invalid: tuple[DeploymentKey, ...] = ()
    unreadable_files: tuple[str, ...] = ()
    empty: bool = False
    permissions: Permissions = Permissions()
    sealed: tuple[SealedSecret, ...] = ()
    lacking: tuple[LackingSecret, ...] = ()
    awaited: tuple[AwaitedComponent, ...] | UnsetType = UNSET
    overlays: tuple[str, ...] | UnsetType = UNSET


class Resolution(Value, frozen=True):
    """A desired state and every diagnostic met on the way, sorted by location."""

    desired: DesiredState
    diagnostics: tuple[Diagnostic, ...]

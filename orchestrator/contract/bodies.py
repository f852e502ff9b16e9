"""The bodies of requests, and the limits of their size."""

from typing import Annotated, Any

import msgspec

from orchestrator.contract.documents import Removal
from orchestrator.contract.standpoint import Standpoint
from orchestrator.model.base import Value
from orchestrator.model.desired import Permissions
from orchestrator.model.ids import NAME_MAX_LENGTH, NAME_PATTERN, DeploymentKey
from orchestrator.model.secret import PlainName, SealedSecret, SecretName
from orchestrator.model.source import INTERVAL_MS, FolderSpec
from orchestrator.model.verification import Verification

JSON = "application/json"
JSON_LINES = "application/x-ndjson"
NO_REPLY = "airs-no-reply"  # header of an empty answer that means `none`
CALL_MAX_BYTES = 4 << 20
MANY_MAX = 10_000  # messages sent in one request
MANY_MAX_BYTES = 4 << 20
ARGUMENTS_MAX = 256  # of a run, as in a manifest
PATH_MAX = 4_096
SECRETS_MAX = 10_000  # that one plan asks for
SECRETS_MAX_BYTES = 64 << 20
FACTS_MAX = 1_000  # deployments that are asked about at once
NAMESPACES_MAX = 1_000  # that one source may name
INTERVAL_MIN_MS, INTERVAL_MAX_MS = 10, 86_400_000
Argument = Annotated[str, msgspec.Meta(max_length=4_096, pattern="^[^\\x00]*$")]
Many = Annotated[list[bytes], msgspec.Meta(max_length=MANY_MAX)]


class CallBody(Value, frozen=True):
    """A typed call."""

    function: str
    arguments: list[Any]
    session: Annotated[str, msgspec.Meta(max_length=NAME_MAX_LENGTH, pattern=NAME_PATTERN)] | None = None


class SourceWish(Value, frozen=True):
    """A source to follow, as typed in the folder `cwd`; `interval_ms` is between two looks at a repository.

    `verify` is how its commits have to be signed, by keys in files that the agent reads. `namespaces` are the only ones
    that its manifests may name; empty for any.
    """

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_MAX)]
    cwd: Annotated[str, msgspec.Meta(max_length=PATH_MAX, pattern="^/[^\\x00]*$")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_MAX)] | None = None
    root: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_MAX)] | None = None
    interval_ms: Annotated[int, msgspec.Meta(ge=INTERVAL_MIN_MS, le=INTERVAL_MAX_MS)] = INTERVAL_MS
    permissions: Permissions = Permissions()
    verify: Verification | None = None
    namespaces: Annotated[tuple[PlainName, ...], msgspec.Meta(max_length=NAMESPACES_MAX)] = ()


class PlanWish(Value, frozen=True):
    """A plan of a folder, which the caller takes for `spec`, and sees from `standpoint`.

    With `whole`, the plan holds all that the source wants; with `kept`, its artifacts are kept, so that it can be
    applied later.
    """

    source: SourceWish
    spec: FolderSpec
    standpoint: Standpoint
    whole: bool = False
    kept: bool = False


class RemoveBody(Value, frozen=True):
    """The removal of a source as it was shown; it is refused where another one would come of it now."""

    shown: Removal
    prune: bool = False


class SecretsBody(Value, frozen=True):
    """Secrets that a plan names, and the sealed values that its source brings along."""

    names: Annotated[tuple[SecretName, ...], msgspec.Meta(max_length=SECRETS_MAX)]
    sealed: Annotated[tuple[SealedSecret, ...], msgspec.Meta(max_length=SECRETS_MAX)] = ()


class FactsBody(Value, frozen=True):
    """Deployments that a plan is about."""

    keys: Annotated[tuple[DeploymentKey, ...], msgspec.Meta(max_length=FACTS_MAX)]


class SiblingsBody(Value, frozen=True):
    """A source that a plan is made for, and its root."""

    source: str
    root: str


class RunBody(Value, frozen=True):
    """A run of a job; without arguments, it takes those of its manifest."""

    arguments: Annotated[tuple[Argument, ...], msgspec.Meta(max_length=ARGUMENTS_MAX)] | None = None

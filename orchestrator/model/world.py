"""The world of a component, read off its binary: imports, exports, and how it can be driven."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.wit import FunctionType, WitType

LIFECYCLE = "airssys:core/component-lifecycle@1.0.0"
HOST_INTERFACES = (
    "airssys:core/host-messaging@1.0.0",
    "airssys:core/host-pubsub@1.0.0",
    "airssys:core/host-services@1.0.0",
    "airssys:core/storage@1.0.0",
)
TYPE_INTERFACES = ("airssys:core/types@1.0.0", "airssys:core/errors@1.0.0", "airssys:core/capabilities@1.0.0")


class Drive(Enum):
    """How a component is driven; one component may be several."""

    ACTOR = "actor"
    CALLABLE = "callable"
    HTTP = "http"
    JOB = "job"


class Function(Value, frozen=True, order=True):
    """One exported function: `name` as `airs call` takes it (`interface#function` or a bare name), and its WIT type."""

    name: str
    signature: str  # "func(a: u32, b: list<string>) -> result<u32, string>"


class Import(Value, frozen=True, order=True):
    """One imported interface and the functions of it that the component uses."""

    interface: str
    functions: tuple[str, ...]


class Interface(Value, frozen=True):
    """One interface with the types of all its parts, in the component's order; "" is the world itself.

    `resources` have the full name that `HandleOf` uses, which is of another interface where it is only passed on.
    `others` are parts that are neither type nor function, and what each is (`core module`).
    """

    name: str
    types: tuple[tuple[str, WitType], ...] = ()
    resources: tuple[tuple[str, str], ...] = ()
    functions: tuple[tuple[str, FunctionType], ...] = ()
    others: tuple[tuple[str, str], ...] = ()


class WorldTypes(Value, frozen=True):
    """Everything a component imports and exports, with its types, in the component's order."""

    imports: tuple[Interface, ...] = ()
    exports: tuple[Interface, ...] = ()


class World(Value, frozen=True):
    """A component's imports and exports, sorted, and the ways it can be driven; `types` is all of it in full.

    `refused` are functions of WASI that are not linked as they are imported, and why.
    """

    imports: tuple[Import, ...]
    exports: tuple[Function, ...]
    drives: frozenset[Drive]
    types: WorldTypes = WorldTypes()
    refused: tuple[tuple[str, str], ...] = ()


class ArtifactFault(Exception):
    """A file that cannot run here: `summary` says what it is, `detail` why, `suggestion` how to get one that runs."""

    def __init__(self, summary: str, detail: str = "", suggestion: str = "") -> None:
        super().__init__(summary)
        self.summary, self.detail, self.suggestion = summary, detail, suggestion

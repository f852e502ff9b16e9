"""An import as an operator sees it: its provider, and the grants that it is of no use without. Pure."""

from enum import Enum

from orchestrator.interface.fitness import MESSAGING, PROVIDED, STORAGE, linked_wasi
from orchestrator.model.base import Value
from orchestrator.model.world import Import, World


class Provider(Enum):
    """The provider of an import."""

    AIRS = "airs"
    WASI = "wasi"
    NOBODY = "nobody"


class Need(Value, frozen=True):
    """One thing a component imports; `grants` are the capabilities that its functions are denied without."""

    interface: str
    functions: tuple[str, ...]
    provider: Provider
    grants: tuple[str, ...] = ()


_PUBSUB = "airssys:core/host-pubsub@1.0.0"
_BY_FUNCTION = {
    STORAGE: {
        "storage.read": {"get", "exists", "list-keys", "usage"},
        "storage.write": {"set", "delete"},
    },
    MESSAGING: {"messaging.send": {"send", "request", "broadcast"}},
    _PUBSUB: {"messaging.publish": {"publish"}, "messaging.subscribe": {"subscribe"}},
}
_WRITES = frozenset(
    f"[method]descriptor.{name}"
    for name in (
        "write", "write-via-stream", "append-via-stream", "set-size", "set-times", "set-times-at",
        "create-directory-at", "remove-directory-at", "rename-at", "link-at", "symlink-at", "unlink-file-at",
    )
)  # fmt: skip


def asked(world: World) -> tuple[Need, ...]:
    """Return everything a component imports with who provides it: airs first, then WASI, then what nobody has."""
    found = [asked_for(imported) for imported in world.imports]
    return tuple(sorted(found, key=lambda each: (list(Provider).index(each.provider), each.interface)))


def asked_for(imported: Import) -> Need:
    """Say what one import asks for."""
    name = imported.interface
    provider = Provider.AIRS if name in PROVIDED else Provider.NOBODY if linked_wasi(name) is None else Provider.WASI
    return Need(interface=name, functions=imported.functions, provider=provider, grants=_grants(imported))


def _grants(imported: Import) -> tuple[str, ...]:
    name, functions = imported.interface, set(imported.functions)
    if linked_wasi(name) is None:
        return tuple(grant for grant, needed in _BY_FUNCTION.get(name, {}).items() if needed & functions)
    if name.startswith("wasi:sockets/") and functions:
        return ("network.connect",)
    if name.startswith("wasi:filesystem/types@"):
        return ("filesystem.read", *(("filesystem.write",) if functions & _WRITES else ()))
    return ("filesystem.read",) if name.startswith("wasi:filesystem/") else ()

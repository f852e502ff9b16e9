"""`airssys:core/storage`: a deployment's own key-value data, behind `storage.read` and `storage.write`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from orchestrator.host.context import GuestContext
from orchestrator.model.plain import Err, Ok
from orchestrator.runtime.engine.host_import import HostImport
from orchestrator.security.grants import may_use_own_storage
from orchestrator.store.data import Data, DataError

INTERFACE = "airssys:core/storage@1.0.0"
T = TypeVar("T")


def storage_imports(data: Data) -> Sequence[HostImport]:
    """Return the interface's functions, serving each guest its own deployment's part of `data`."""

    def get(context: GuestContext, key: str) -> Ok | Err:
        return _guarded(context, "storage.read", lambda: data.get(context.id.deployment, key, _owner(context)))

    def put(context: GuestContext, key: str, value: bytes) -> Ok | Err:
        quota = context.limits.storage_bytes or 0
        return _guarded(
            context, "storage.write", lambda: data.set(context.id.deployment, key, value, quota, _owner(context))
        )

    def delete(context: GuestContext, key: str) -> Ok | Err:
        return _guarded(context, "storage.write", lambda: data.delete(context.id.deployment, key, _owner(context)))

    def exists(context: GuestContext, key: str) -> Ok | Err:
        return _guarded(context, "storage.read", lambda: data.exists(context.id.deployment, key, _owner(context)))

    def list_keys(context: GuestContext, prefix: str | None) -> Ok | Err:
        return _guarded(
            context, "storage.read", lambda: data.list_keys(context.id.deployment, prefix or "", _owner(context))
        )

    def usage(context: GuestContext) -> Ok | Err:
        def read() -> dict[str, int]:
            used = data.usage(context.id.deployment)
            return {
                "used-bytes": used.used_bytes,
                "quota-bytes": context.limits.storage_bytes or 0,
                "key-count": used.key_count,
            }

        return _guarded(context, "storage.read", read)

    functions: dict[str, Callable[..., Any]] = {
        "get": get, "set": put, "delete": delete, "exists": exists, "list-keys": list_keys, "usage": usage,
    }  # fmt: skip
    return [HostImport(INTERFACE, name, call) for name, call in functions.items()]


def _owner(context: GuestContext) -> str:
    """Return the owner of a guest's part of the storage: the key that it is at work on, or empty for none."""
    return context.requester.key or ""


def _guarded(context: GuestContext, capability: str, act: Callable[[], T]) -> Ok | Err:
    # storage-error has no case for a denied call; io-error with the reason is what guests can print.
    if context.limits.storage_bytes is None:
        return Err("io-error", "no storage: the component's [resources] name no storage quota")
    if not context.allows(capability, lambda grants: may_use_own_storage(grants, capability)):
        return Err("io-error", f"capability denied: {context.id.deployment} was not granted {capability}: [self]")
    try:
        return Ok(act())
    except DataError as error:
        return Err(error.case, error.detail)

"""The exports of an actor: the types its lifecycle functions must have, and the values they are called with.

`description` checks the types when a component is read, so that `guest` can rely on them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from orchestrator.decoding import plain_from_json
from orchestrator.model.message import Health, Message
from orchestrator.model.secret import Secret
from orchestrator.model.spec import Limits, Revision
from orchestrator.model.world import LIFECYCLE
from orchestrator.runtime.call.layout import COMPONENT_ID
from orchestrator.runtime.call.types import (
    EnumOf,
    FunctionType,
    ListOf,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
)
from orchestrator.runtime.component import artifact

_STRING, _U64, _U32 = Scalar("string"), Scalar("u64"), Scalar("u32")
_BYTES = ListOf(Scalar("u8"))
_TIMESTAMP = RecordOf((("seconds", _U64), ("nanoseconds", _U32)))
_METADATA = RecordOf(
    (
        ("correlation-id", OptionOf(_STRING)),
        ("reply-to", OptionOf(COMPONENT_ID)),
        ("timestamp", _TIMESTAMP),
        ("content-type", OptionOf(_STRING)),
    )
)
_MESSAGE = RecordOf((("sender", COMPONENT_ID), ("payload", _BYTES), ("metadata", _METADATA)))
_LIMITS = RecordOf((("max-memory-bytes", _U64), ("max-execution-time-ms", _U64), ("max-fuel", OptionOf(_U64))))
_CONFIG = RecordOf(
    (
        ("env-vars", ListOf(TupleOf((_STRING, _STRING)))),
        ("config-data", OptionOf(_BYTES)),
        ("resource-limits", _LIMITS),
    )
)
_WASM_ERROR = VariantOf(
    (
        ("component-not-found", _STRING),
        ("instantiation-failed", _STRING),
        ("export-not-found", _STRING),
        ("timeout", None),
        ("resource-limit-exceeded", _STRING),
        ("invalid-component", _STRING),
        ("runtime-error", _STRING),
    )
)
_COMPONENT_ERROR = VariantOf(
    (
        ("initialization-failed", _STRING),
        ("already-initialized", None),
        ("not-initialized", None),
        ("shutdown-failed", _STRING),
        ("invalid-state", _STRING),
    )
)
_COMPONENT_METADATA = RecordOf(
    (
        ("name", _STRING),
        ("version", _STRING),
        ("description", _STRING),
        ("author", _STRING),
        ("license", _STRING),
        ("supported-operations", ListOf(_STRING)),
        ("stateful", Scalar("bool")),
    )
)

INITIALIZE = f"{LIFECYCLE}#initialize"
HANDLE_MESSAGE = f"{LIFECYCLE}#handle-message"
HANDLE_CALLBACK = f"{LIFECYCLE}#handle-callback"
METADATA = f"{LIFECYCLE}#metadata"
HEALTH = f"{LIFECYCLE}#health"
SHUTDOWN = f"{LIFECYCLE}#shutdown"

_TYPES = {
    "initialize": FunctionType((("config", _CONFIG),), ResultOf(None, _COMPONENT_ERROR)),
    "handle-message": FunctionType((("msg", _MESSAGE),), ResultOf(OptionOf(_BYTES), _WASM_ERROR)),
    "metadata": FunctionType((), _COMPONENT_METADATA),
    "health": FunctionType((), EnumOf(tuple(status.value for status in Health))),
    "shutdown": FunctionType((), ResultOf(None, _COMPONENT_ERROR)),
}
_CALLBACK = {"handle-callback": FunctionType((("msg", _MESSAGE),), ResultOf(None, _WASM_ERROR))}  # may be missing


def check(exported: dict[str, FunctionType]) -> None:
    """Compare the functions of an exported lifecycle with those it must have; nothing exported is fine.

    Raises:
        ArtifactFault: one is missing or has another type.
    """
    wanted = _TYPES | (_CALLBACK if "handle-callback" in exported else {})
    for name, kind in wanted.items() if exported else ():
        found = exported.get(name)
        if found is None or found.result != kind.result or [p for _, p in found.params] != [p for _, p in kind.params]:
            raise artifact.wrong_lifecycle(name, "missing" if found is None else str(found), str(kind))


def message_value(message: Message) -> dict[str, Any]:
    """Return `component-message` as a plain value."""
    seconds, nanoseconds = divmod(message.timestamp_ns, 1_000_000_000)
    return {
        "sender": message.sender,
        "payload": message.payload,
        "metadata": {
            "correlation-id": message.correlation_id,
            "reply-to": message.reply_to,
            "timestamp": {"seconds": seconds, "nanoseconds": nanoseconds},
            "content-type": message.content_type,
        },
    }


def config_value(revision: Revision, secrets: Sequence[tuple[str, Secret]] = ()) -> dict[str, Any]:
    """Return `component-config` as a plain value: the config's top-level scalars as variables, all of it as data.

    The variables of secrets are among them, and are no part of the data.
    """
    config = plain_from_json(revision.config or "{}")
    return {
        "env-vars": [*environment(revision.config), *((name, secret.reveal()) for name, secret in secrets)],
        "config-data": revision.config.encode() if config else None,
        "resource-limits": _limits_value(revision.limits),
    }


def environment(config: str) -> tuple[tuple[str, str], ...]:
    """Return the variables that a config, canonical JSON, gives: its top-level texts, numbers and truth values."""
    decoded = plain_from_json(config or "{}")
    pairs = decoded.items() if isinstance(decoded, dict) else ()
    return tuple((name, _text(value)) for name, value in pairs if isinstance(value, str | int | float))


def _text(value: str | int | float) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _limits_value(limits: Limits) -> dict[str, int]:
    return {
        "max-memory-bytes": limits.memory_bytes,
        "max-execution-time-ms": limits.timeout_ms,
        "max-fuel": limits.fuel,
    }

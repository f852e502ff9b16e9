"""A stage to put one guest on: stock wasmtime-py and a host that remembers what it was told.

Real here: the committed `.wasm` files and the engine. Not ours: the host functions, which do what `wit/` says on a dict
and three lists, so that these tests hold the guests to the contract and nothing of airs.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import wasmtime
import wasmtime.component as component

ROOT = Path(__file__).resolve().parents[2]
LIFECYCLE = "airssys:core/component-lifecycle@1.0.0"
FUEL = 1_000_000_000


class Fields(component.Record):
    """A record with kebab-case field names, as wasmtime-py wants to be given one."""

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name.replace("_", "-"), value)


def identity(name: str, instance: str = "") -> Fields:
    """Return a component-id in the namespace `default`."""
    return Fields(namespace="default", name=name, instance=instance)


@dataclass
class Host:
    """What the host was told: log lines, messages sent, sleeps, and the stored values."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    slept: list[int] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    refusal: Any = None  # an error to answer every call that may have one, as a Variant
    write_refusal: Any = None  # the same for storage.set alone

    def ok(self, value: Any = None) -> Any:
        """Return `value` as the ok of a result, or the refusal where one is set."""
        return value if self.refusal is None else self.refusal

    def functions(self) -> dict[str, dict[str, Any]]:
        """Return the host functions by interface and name; each takes the store's context first."""
        return {
            "host-services": {
                "log": lambda _, level, line, context: self.lines.append((level, line)),
                "current-time": lambda _: Fields(seconds=1, nanoseconds=2),
                "current-time-millis": lambda _: 1000,
                "sleep-millis": lambda _, milliseconds: self.slept.append(milliseconds),
                "list-components": lambda _: [identity("hello", "hello-0"), identity("counter", "counter-0")],
                "get-component-metadata": lambda _, who: self.ok(
                    Fields(id=who, name=who.name, version="1.0.0", health="healthy")
                ),
            },
            "host-messaging": {
                "send": lambda _, target, payload: self.ok(self.sent.append((target.name, payload))),
                "request": lambda _, target, payload, timeout_ms: self.ok(f"{target.name}-{timeout_ms}"),
                "cancel-request": lambda _, request: self.ok(),
                "broadcast": lambda _, targets, payload: self.ok(
                    self.sent.extend((target.name, payload) for target in targets)
                ),
                "self-id": lambda _: identity("guest", "guest-0"),
            },
            "host-pubsub": {
                "publish": lambda _, topic, payload: self.ok(self.sent.append((topic, payload)) or len(self.sent)),
                "subscribe": lambda _, pattern: self.ok(),
                "unsubscribe": lambda _, pattern: self.ok(),
                "current-topic": lambda _: "orders.new",
            },
            "storage": {
                "get": lambda _, key: self.ok(self.stored.get(key)),
                "set": lambda _, key, value: self.write_refusal or self.ok(self.stored.__setitem__(key, value)),
                "delete": lambda _, key: self.ok(self.stored.pop(key, None) and None),
                "exists": lambda _, key: self.ok(key in self.stored),
                "list-keys": lambda _, prefix: self.ok(sorted(k for k in self.stored if k.startswith(prefix or ""))),
                "usage": lambda _: self.ok(Fields(used_bytes=7, quota_bytes=1 << 40, key_count=len(self.stored))),
            },
        }


@cache
def engine() -> wasmtime.Engine:
    """Return the one engine of these tests; it counts fuel."""
    config = wasmtime.Config()
    config.consume_fuel = True
    return wasmtime.Engine(config)


@cache
def compiled(path: str) -> component.Component:
    """Return the component at the root-relative `path`, compiled once."""
    return component.Component.from_file(engine(), str(ROOT / path))


class Stage:
    """One instance of the component in `path`, its host, and calls by function name."""

    def __init__(self, path: str, memory_bytes: int = 16 << 20) -> None:
        self.host = Host()
        self.store = wasmtime.Store(engine())
        self.store.set_limits(memory_size=memory_bytes)
        self.store.set_fuel(FUEL)
        linker = component.Linker(engine())
        with linker.root() as root:
            for interface, functions in self.host.functions().items():
                with root.add_instance(f"airssys:core/{interface}@1.0.0") as instance:
                    for name, function in functions.items():
                        instance.add_func(name, function)
        self.instance = linker.instantiate(self.store, compiled(path))

    def call(self, function: str, *arguments: Any, interface: str = LIFECYCLE) -> Any:
        """Call an exported function with fresh fuel."""
        self.store.set_fuel(FUEL)
        within = self.instance.get_export_index(self.store, interface) if interface else None
        index = self.instance.get_export_index(self.store, function, within)
        called = self.instance.get_func(self.store, index)
        assert called is not None
        return called(self.store, *arguments)

    def spent(self) -> int:
        """Return the fuel the last call took."""
        return FUEL - self.store.get_fuel()

    def initialize(self, env_vars: list[tuple[str, str]] | None = None, data: bytes | None = None) -> Any:
        """Call `initialize`; return None or the error."""
        limits = Fields(max_memory_bytes=16 << 20, max_execution_time_ms=2000, max_fuel=FUEL)
        return self.call("initialize", Fields(env_vars=env_vars or [], config_data=data, resource_limits=limits))

    def handle(self, payload: bytes, function: str = "handle-message") -> Any:
        """Send one message; return the reply, None, or the error."""
        metadata = Fields(
            correlation_id="c-1",
            reply_to=identity("requester"),
            timestamp=Fields(seconds=1, nanoseconds=0),
            content_type=None,
        )
        return self.call(function, Fields(sender=identity("requester"), payload=payload, metadata=metadata))

"""The other side of every comparison: the same guest driven by wasmtime-py as it comes, with fuel and epochs on."""

from collections.abc import Callable
from typing import Any

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, ExportIndex, Func, Instance, Linker, Record

LIFECYCLE = "airssys:core/component-lifecycle@1.0.0"
FUEL = 1_000_000_000_000
EPOCHS = 1_000
NAME = "stock wasmtime-py"


class StockEngine:
    """An engine that counts fuel and epochs, and a linker whose imports are the simplest functions that will do."""

    def __init__(self) -> None:
        config = Config()
        config.consume_fuel = True
        config.epoch_interruption = True
        self.engine = Engine(config)
        self.linker = Linker(self.engine)
        stored: dict[str, bytes] = {}
        with self.linker.root() as root:
            for interface, functions in _imports(stored).items():
                with root.add_instance(f"airssys:core/{interface}@1.0.0") as instance:
                    for name, function in functions.items():
                        instance.add_func(name, function)

    def compile(self, data: bytes) -> Component:
        """Compile a component."""
        return Component(self.engine, data)

    def instantiate(self, component: Component) -> "StockGuest":
        """Make a store of its own and an instance in it."""
        store = Store(self.engine)
        store.set_fuel(FUEL)
        store.set_epoch_deadline(EPOCHS)
        return StockGuest(store, self.linker.instantiate(store, component), component)

    def start(self, component: Component) -> "StockGuest":
        """Instantiate and initialize, as airs does before it gives an instance messages."""
        guest = self.instantiate(component)
        guest.call("metadata")
        guest.call("initialize", config_record())
        return guest


class StockGuest:
    """One instance; its functions are looked up once."""

    def __init__(self, store: Store, instance: Instance, component: Component) -> None:
        self.store, self._instance, self._component = store, instance, component
        self._functions: dict[str, Func] = {}

    def call(self, name: str, *values: Any) -> Any:
        """Call a lifecycle function under fresh limits, as every call of airs has them."""
        function = self.function(name)
        self.store.set_fuel(FUEL)
        self.store.set_epoch_deadline(EPOCHS)
        return function(self.store, *values)

    def function(self, name: str) -> Func:
        """Look a lifecycle function up, once."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = self._find(name)
        return found

    def _find(self, name: str) -> Func:
        outer = self._component.get_export_index(LIFECYCLE)
        index: ExportIndex | None = self._component.get_export_index(name, outer)
        assert index is not None
        function = self._instance.get_func(self.store, index)
        assert function is not None
        return function


def record(**fields: Any) -> Record:
    """Return a WIT record; `_` in a field's name stands for `-`."""
    made = Record()
    for name, value in fields.items():
        setattr(made, name.replace("_", "-"), value)
    return made


def message_record(payload: bytes) -> Record:
    """Return the `component-message` that airs makes of the same payload."""
    return record(
        sender=record(namespace="airs", name="client", instance=""),
        payload=payload,
        metadata=record(
            correlation_id=None,
            reply_to=None,
            timestamp=record(seconds=1_700_000_000, nanoseconds=0),
            content_type=None,
        ),
    )


def config_record() -> Record:
    """Return a `component-config` without configuration."""
    limits = record(max_memory_bytes=16 << 20, max_execution_time_ms=2_000, max_fuel=FUEL)
    return record(env_vars=[], config_data=None, resource_limits=limits)


def _imports(stored: dict[str, bytes]) -> dict[str, dict[str, Callable[..., Any]]]:
    own = record(namespace="default", name="stock", instance="0")
    return {
        "host-messaging": {
            "send": lambda _store, _target, _payload: None,
            "self-id": lambda _store: own,
            "request": lambda _store, _target, _payload, _timeout: "1",
            "cancel-request": lambda _store, _id: None,
            "broadcast": lambda _store, _targets, _payload: None,
        },
        "host-services": {
            "log": lambda _store, _level, _message, _context: None,
            "current-time": lambda _store: record(seconds=1_700_000_000, nanoseconds=0),
            "current-time-millis": lambda _store: 1_700_000_000_000,
            "sleep-millis": lambda _store, _duration: None,
            "list-components": lambda _store: [own],
            "get-component-metadata": lambda _store, _target: None,
        },
        "storage": {
            "get": lambda _store, key: stored.get(key),
            "set": lambda _store, key, value: stored.__setitem__(key, value),
            "delete": lambda _store, key: stored.pop(key, None) and None,
            "exists": lambda _store, key: key in stored,
            "list-keys": lambda _store, prefix: [key for key in stored if key.startswith(prefix or "")],
            "usage": lambda _store: None,
        },
    }

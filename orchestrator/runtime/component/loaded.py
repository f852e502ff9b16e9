"""A component ready to be instantiated, and how it became so: compiled, from the cache, or already in memory."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from wasmtime import component as wc

from orchestrator.compiled.cache import CompileCache
from orchestrator.compiled.worlds import Worlds
from orchestrator.decoding import from_msgpack
from orchestrator.interface.exports import Export
from orchestrator.model.calls import AdaptedAt, Adapter, Calls
from orchestrator.model.compiling import Compiling
from orchestrator.model.world import ArtifactFault, Drive, World
from orchestrator.runtime.adapter.wrap import Unadapted, wrap
from orchestrator.runtime.call.call import Signature
from orchestrator.runtime.call.link import Linked, link, link_shim, missing_imports
from orchestrator.runtime.component import artifact as artifacts
from orchestrator.runtime.component import lifecycle, native
from orchestrator.runtime.component.description import Description, describe, ruled_out
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.engine import SharedEngine
from orchestrator.runtime.engine.engines import Engines
from orchestrator.runtime.engine.host_import import HostImport
from orchestrator.runtime.stock.link import link_stock

MAX_HELD = 64  # components, and linkers, kept in memory beyond those that instances hold themselves
WASI_VERSION = "@0.2."


class CodeOrigin(Enum):
    """Where a loaded component came from."""

    COMPILED = "compiled"
    CACHE = "cache"
    MEMORY = "memory"


class _Found(msgspec.Struct, frozen=True):
    """A component of one engine, and its description."""

    engine: SharedEngine
    component: wc.Component
    description: Description


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cache's note beside the code: which engine that is for, and the component's description."""

    guards: bool
    description: Description


class _Prepared:
    """The part that all loads of one artifact share."""

    def __init__(self, engine: SharedEngine, component: wc.Component, description: Description) -> None:
        self.engine, self.component, self.description = engine, component, description
        self.linked: Linked
        self.holds_thread = False
        self.missing: list[str] = []
        self.signatures: dict[str, Signature] = {}
        self.indexes: dict[str, wc.ExportIndex] = {}


class Loaded(msgspec.Struct, frozen=True):
    """A component that can be started, by any number of threads, any number of times."""

    artifact: str
    origin: CodeOrigin
    prepared: _Prepared

    @property
    def world(self) -> World:
        """Its imports and exports with all types, and its drives; decoded on every call."""
        return self.prepared.description.world

    @property
    def drives(self) -> frozenset[Drive]:
        """How it can be driven."""
        return self.prepared.description.drives

    @property
    def description(self) -> Description:
        """Its exports and needs with their types."""
        return self.prepared.description

    @property
    def is_adapted(self) -> bool:
        """Whether it has an adapter; if not, `description.adapter` says why."""
        return self.prepared.description.is_adapted

    @property
    def takes_answers(self) -> bool:
        """Whether it takes the outcomes of its requests."""
        return lifecycle.HANDLE_CALLBACK in self.description.exports

    @property
    def missing(self) -> list[str]:
        """The imports that nothing provides; with any of them it cannot be started."""
        return self.prepared.missing

    @property
    def code_bytes(self) -> int:
        """The size of its compiled code, measured on every call."""
        with native.serialized(self.prepared.component) as code:
            return len(code)

    @property
    def engine(self) -> SharedEngine:
        """The engine it was compiled for."""
        return self.prepared.engine

    @property
    def linked(self) -> Linked:
        """Its linker."""
        return self.prepared.linked

    @property
    def holds_thread(self) -> bool:
        """Whether its calls cannot be set aside.

        Wasmtime's WASI waits on the thread that calls it, and so does the stock path. It runs no destructor where a
        host function may wait in another way, so that one which gives out resources waits on its thread too.
        """
        return self.prepared.holds_thread

    @property
    def component_address(self) -> int:
        """Where wasmtime keeps it."""
        return capi.address_of(self.prepared.component.ptr())

    def signature_of(self, export: Export) -> Signature:
        """Return the conversions of an export; made once."""
        signatures: dict[str, Signature] = self.prepared.signatures
        found = signatures.get(export.name)
        if found is None:
            found = signatures.setdefault(export.name, Signature(export.kind))
        return found

    def index_of(self, export: Export) -> int:
        """Return the address of an export's index."""
        return capi.address_of(self.export_index(export).ptr())

    def export_index(self, export: Export) -> wc.ExportIndex:
        """Return an export's index; looked up once."""
        indexes: dict[str, wc.ExportIndex] = self.prepared.indexes
        found = indexes.get(export.name)
        if found is None:
            found = indexes.setdefault(export.name, self._find(export))
        return found

    def _find(self, export: Export) -> wc.ExportIndex:
        component: wc.Component = self.prepared.component
        outer = None if export.interface is None else component.get_export_index(export.interface)
        found = component.get_export_index(export.function, outer)
        assert found is not None, f"{export.name} was there when the component was read"
        return found


class Kept(NamedTuple):
    """The caches on disk for the artifacts that were seen."""

    code: CompileCache
    worlds: Worlds


class Loader:
    """Loads components once, for all callers and threads."""

    def __init__(
        self, engines: Engines, kept: Kept | None, hosts: Sequence[HostImport],
        watch: Callable[[Compiling], None],
    ) -> None:  # fmt: skip
        """Set it up; `watch` is told when a compilation begins and ends, on the thread that compiles."""
        self._engines, self._hosts, self._watch = engines, tuple(hosts), watch
        self._cache = None if kept is None else kept.code
        self._worlds = None if kept is None else kept.worlds
        self._lock = threading.Lock()
        self._linking = threading.Lock()  # wasmtime's binding keeps tables of its own while linking
        self._held: OrderedDict[str, _Prepared] = OrderedDict()
        self._linked: OrderedDict[bytes, Linked] = OrderedDict()  # by engine and all that is imported, with types
        self._loading: dict[str, threading.Lock] = {}

    def load(self, artifact: str, data: Callable[[], bytes], name: str = "") -> Loaded:
        """Return the component, from memory, the cache, or compiled from `data()`, which is told under `name`."""
        with self._turn(artifact):
            return self._at_hand(artifact) or self._compiled(artifact, data(), name)

    def is_at_hand(self, artifact: str) -> bool:
        """Whether the component is in memory."""
        return artifact in self._held

    def inspect(self, artifact: str, data: bytes, name: str = "") -> World:
        """Return the component's world; it is compiled only if none of its imports rules out that it runs."""
        with self._turn(artifact):
            known = None if self._worlds is None else self._worlds.read(artifact)
            if known is not None:
                return known
            found = self._inspected(artifact, data, name)
            if self._worlds is not None:
                self._worlds.keep(artifact, found)
            return found

    def _inspected(self, artifact: str, data: bytes, name: str) -> World:
        loaded = self._at_hand(artifact)
        if loaded is not None:
            return loaded.world
        artifacts.check(data)
        return self._ruled_out(data) or self._compiled(artifact, data, name).world

    def _ruled_out(self, data: bytes) -> World | None:
        return ruled_out(data, self._engines.of_size(len(data)).engine)

    @contextmanager
    def _turn(self, artifact: str) -> Iterator[None]:
        """Let other callers that want this artifact wait for the outcome here."""
        with self._lock:
            turn = self._loading.setdefault(artifact, threading.Lock())
        with turn:
            try:
                yield
            finally:
                with self._lock:
                    self._loading.pop(artifact, None)

    def _at_hand(self, artifact: str) -> Loaded | None:
        """Return the component from memory or from the cache."""
        prepared = self._from_memory(artifact)
        if prepared is not None:
            return Loaded(artifact, CodeOrigin.MEMORY, prepared)
        cached = self._from_cache(artifact)
        return None if cached is None else self._held_as(artifact, CodeOrigin.CACHE, cached)

    def _compiled(self, artifact: str, data: bytes, name: str) -> Loaded:
        found = self._compile(artifact, data, name)
        if self._cache is not None:
            _keep(self._cache, artifact, found)
        return self._held_as(artifact, CodeOrigin.COMPILED, found)

    def _held_as(self, artifact: str, origin: CodeOrigin, found: _Found) -> Loaded:
        prepared = self._prepare(found)
        self._hold(artifact, prepared)
        return Loaded(artifact, origin, prepared)

    def _from_memory(self, artifact: str) -> _Prepared | None:
        with self._lock:
            prepared = self._held.get(artifact)
            if prepared is not None:
                self._held.move_to_end(artifact)
            return prepared

    def _hold(self, artifact: str, prepared: _Prepared) -> None:
        with self._lock:
            self._held[artifact] = prepared
            while len(self._held) > MAX_HELD:
                self._held.popitem(last=False)

    def _from_cache(self, artifact: str) -> _Found | None:
        entry = None if self._cache is None else self._cache.read(artifact)
        if entry is None:
            return None
        try:
            about = from_msgpack(entry.about, _About)
        except msgspec.MsgspecError:  # written by an airs that described components in another way
            return None
        engine = self._engines.with_guards(about.guards)
        component = native.deserialize(engine.engine, entry.code)
        return None if component is None else _Found(engine, component, about.description)

    def _compile(self, artifact: str, data: bytes, name: str) -> _Found:
        artifacts.check(data)
        if artifact != digest_of_bytes(data):
            raise artifacts.wrong_digest(artifact)
        engine = self._engines.of_size(len(data))
        with self._told(Compiling(artifact, len(data), name)):
            component, adapter = _compiled(engine, data)
        return _Found(engine, component, describe(component, engine.engine, adapter, data))

    @contextmanager
    def _told(self, compiling: Compiling) -> Iterator[None]:
        began = time.monotonic()
        self._watch(compiling)
        try:
            yield
        finally:
            self._watch(replace(compiling, took_s=time.monotonic() - began))

    def _prepare(self, found: _Found) -> _Prepared:
        prepared = _Prepared(found.engine, found.component, found.description)
        description = prepared.description
        waits = any(host.waits and host.function in description.needed.get(host.interface, ()) for host in self._hosts)
        prepared.holds_thread = (
            description.wants_wasi
            or (description.gives_handles and (waits or description.has_shim))
            or found.engine.calls is Calls.STOCK
        )
        with self._linking:
            prepared.linked = self._link(found.engine, description, prepared.holds_thread)
        prepared.missing = missing_imports(description.needed, self._hosts)
        return prepared

    def _link(self, engine: SharedEngine, description: Description, holds_thread: bool) -> Linked:
        """Return a linker for the imports; components with the same imports share one."""
        key = msgspec.msgpack.encode(
            (engine.guards, description.wants_wasi, holds_thread, description.needed, description.has_shim)
        )
        linked = self._linked.get(key)
        if linked is None:
            linker = wc.Linker(engine.engine)
            if description.wants_wasi:
                linker.add_wasip2()
            linked = self._linked_anew(linker, engine, description, holds_thread)
            self._linked[key] = linked
        self._linked.move_to_end(key)
        if len(self._linked) > MAX_HELD:
            self._linked.popitem(last=False)
        return linked

    def _linked_anew(
        self, linker: wc.Linker, engine: SharedEngine, description: Description, holds_thread: bool
    ) -> Linked:
        if engine.calls is Calls.STOCK:
            return link_stock(linker, description.needed, self._hosts, engine.cells)
        linked = link(
            linker, description.needed, self._hosts, engine.cells, holds_thread=holds_thread,
            crosses=engine.calls is Calls.NATIVE,
        )  # fmt: skip
        if description.has_shim:
            link_shim(linked, self._hosts, engine.cells, holds_thread=holds_thread)
        return linked


def _compiled(engine: SharedEngine, data: bytes) -> tuple[wc.Component, Adapter]:
    """Compile a component with its adapter within it as far as that goes, else beside it, or without."""
    why = "calls take the stock path" if engine.calls is Calls.STOCK else ""
    for place in AdaptedAt if engine.calls is not Calls.STOCK else ():
        try:
            wrapped = data if place is AdaptedAt.NONE else wrap(data, place)
            return native.compile(engine.engine, wrapped), Adapter(place=place, why=why)
        except Unadapted as reason:
            why = str(reason)
        except ArtifactFault as fault:
            if place is AdaptedAt.NONE:
                raise  # it is the guest's
            why = f"its adapter does not compile: {fault.detail}"
    return native.compile(engine.engine, data), Adapter(place=AdaptedAt.NONE, why=why)


def _keep(cache: CompileCache, artifact: str, found: _Found) -> None:
    about = msgspec.msgpack.encode(_About(found.engine.guards, found.description))
    with native.serialized(found.component) as code:
        try:
            cache.write(artifact, about, code)
        except OSError:
            return  # a full disk costs a compilation next time, nothing more


def digest_of_bytes(data: bytes) -> str:
    """Return an artifact's identity: `sha256:<hex>` of its bytes."""
    return "sha256:" + sha256(data).hexdigest()

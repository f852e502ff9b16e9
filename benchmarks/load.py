"""Loading and starting components: compile, load from the authenticated cache, instantiate, initialize."""

import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

from wasmtime.component import Component

from benchmarks import stock
from benchmarks.measure import Each, Effort, Row, Table, race
from benchmarks.stage import CLIENT, EXAMPLES
from orchestrator.model.spec import Limits, Revision
from orchestrator.model.world import World
from orchestrator.runtime import CodeOrigin, Direct, HostImport, Loaded, Runtime, Start, digest_of_bytes, start_here
from orchestrator.runtime.component.loaded import MAX_HELD

HELLO = EXAMPLES / "01-hello" / "components" / "hello-1.0.0" / "hello.wasm"
CALCULATOR = EXAMPLES / "03-calculator" / "components" / "calculator-1.0.0" / "calculator.wasm"
LIMITS = Limits(memory_bytes=16 << 20, fuel=50_000_000, timeout_ms=2_000)
REVISION = Revision(
    id="0", component="", version="", artifact="", stateful=False, config="", grants=(), limits=LIMITS
)  # fmt: skip
NOTES = (
    "`load` ends with a component that is described, linked and ready to start; stock ends with a `Component`.",
    "From the cache: the file is read, its keyed hash checked, those very bytes deserialized. Stock deserializes bytes "
    "that are in memory already, unchecked.",
    "`one more` is a running agent's case: one runtime, and components it has not seen (the same one with another "
    "name in a custom section), their files in the kernel's cache.",
    "`instantiate` makes a store with its limits and an instance in it; `start` also asks `metadata()` and calls "
    "`initialize()`. The same on both sides; airs also counts all linear memories of an instance together.",
)


def measure(effort: Effort) -> Table:
    """Measure with the components of 01-hello and 03-calculator, 9 KiB each."""
    with tempfile.TemporaryDirectory(prefix="airs-bench-") as folder:
        loading, loaded = _loading(effort, Path(folder))
        starting, started = _starting(effort)
        return Table("Load and start a component", (*loading, *starting), NOTES, loaded | started)


def _loading(effort: Effort, folder: Path) -> tuple[list[Row], dict[str, float]]:
    data = HELLO.read_bytes()
    artifact, plain = digest_of_bytes(data), stock.StockEngine()
    code = bytes(plain.compile(data).serialize())
    warm = runtime_for(folder / "warm", data)
    warm.load(artifact, lambda: data)
    kept_bytes = max(file.stat().st_size for file in (folder / "warm").iterdir())
    unseen = _unseen(folder / "warm", data)

    def load(origin: CodeOrigin, runtime: Runtime) -> tuple[Runtime, Loaded]:
        loaded = runtime.load(artifact, lambda: data)
        assert loaded.origin is origin, loaded.origin
        return runtime, loaded

    def closed(made: tuple[Runtime, Loaded]) -> None:
        made[0].close()

    took = race(
        {
            "compile": Each(lambda: runtime_for(None, data), lambda r: load(CodeOrigin.COMPILED, r), closed),
            "cache": Each(lambda: runtime_for(folder / "warm", data), lambda r: load(CodeOrigin.CACHE, r), closed),
            "memory": lambda: load(CodeOrigin.MEMORY, warm),
            "stock compile": lambda: plain.compile(data),
            "stock deserialize": lambda: Component.deserialize(plain.engine, code),
        },
        effort,
    )
    warm.close()
    # Without compilers at work between the turns, which leave nothing of anybody in the processor's caches.
    quiet = race(
        {
            "one more": Each(lambda: next(unseen), lambda made: made[0].load(made[1], _never)),
            "stock deserialize": lambda: Component.deserialize(plain.engine, code),
        },
        effort,
    )
    unseen.close()
    for_size_s = 1.5e-6 * kept_bytes / 1024
    compile_s, deserialize_s = took["stock compile"], took["stock deserialize"]
    one_more_s = quiet["one more"]
    rows = [
        Row("load, compiling", took["compile"], f"{stock.NAME}: Component(engine, bytes)", compile_s),
        Row("load, from the authenticated cache", took["cache"], f"{stock.NAME}: deserialize", deserialize_s),
        Row("the same", took["cache"], f"{stock.NAME}: Component(engine, bytes)", compile_s),
        Row(
            "load one more, from the authenticated cache",
            one_more_s,
            f"{stock.NAME}: deserialize",
            quiet["stock deserialize"],
        ),
        Row("load, already held", took["memory"]),
    ]
    return rows, {"load": (one_more_s - for_size_s) * 1e6, "load/stock": quiet.ratio("stock deserialize", "one more")}


def _unseen(cache: Path, data: bytes) -> Generator[tuple[Runtime, str]]:
    """Put other components into a cache; yield each with a runtime that has not loaded it, for ever."""
    named = [data + bytes((0, 4, 3)) + f"{number:03}".encode() for number in range(MAX_HELD)]
    others = {digest_of_bytes(each): each for each in named}
    filling = runtime_for(cache, data)
    for artifact, each in others.items():
        filling.load(artifact, lambda each=each: each)  # type: ignore[misc]
    filling.close()
    while True:
        runtime = runtime_for(cache, data)
        try:
            for artifact in others:
                yield runtime, artifact
        finally:
            runtime.close()


def _never() -> bytes:
    raise AssertionError("it is in the cache")


def _starting(effort: Effort) -> tuple[list[Row], dict[str, float]]:
    plain = stock.StockEngine()
    instantiate, ratio = _lives("instantiate", CALCULATOR.read_bytes(), plain, plain.instantiate, effort)
    start, _ = _lives("start", HELLO.read_bytes(), plain, plain.start, effort)
    return [*instantiate, *start], {"instantiate": instantiate[0].airs * 1e6, "instantiate/stock": ratio}


def _lives(
    what: str, data: bytes, plain: stock.StockEngine, make: Callable[[Component], object], effort: Effort
) -> tuple[list[Row], float]:
    runtime, component = runtime_for(None, data), plain.compile(data)
    request = Start(id=CLIENT, revision=REVISION, loaded=runtime.load(digest_of_bytes(data), lambda: data))
    took = race(
        {
            "airs": Each(lambda: request, start_here, _close),
            "stock": Each(lambda: component, make),
            "airs, whole": lambda: _close(start_here(request)),
            "stock, whole": lambda: make(component),
        },
        effort,
    )
    runtime.close()
    rows = [
        Row(what, took["airs"], stock.NAME, took["stock"]),
        Row(f"{what}, and free it again", took["airs, whole"], stock.NAME, took["stock, whole"]),
    ]
    return rows, took.ratio("stock", "airs")


def _close(started: object) -> None:
    assert isinstance(started, Direct), started
    started.close()


def runtime_for(cache: Path | None, data: bytes) -> Runtime:
    """Return a runtime with the imports of one component, none of which does anything."""
    imports = _IMPORTS.get(data)
    if imports is None:
        plain = Runtime(None)
        imports = _IMPORTS[data] = _imports(plain.inspect(data))
        plain.close()
    return Runtime(cache, imports)


_IMPORTS: dict[bytes, tuple[HostImport, ...]] = {}


def _imports(world: World) -> tuple[HostImport, ...]:
    ours = [entry for entry in world.imports if entry.interface.startswith("airssys:")]
    return tuple(HostImport(entry.interface, name, _nothing) for entry in ours for name in entry.functions)


def _nothing(*_arguments: object) -> None:
    return

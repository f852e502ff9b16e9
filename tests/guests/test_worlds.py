"""Each committed component fits `wit/`, and is what its sources give. No guest toolchain is needed here."""

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from .stage import LIFECYCLE, ROOT
from .worlds import worlds


def _recipe():
    spec = importlib.util.spec_from_file_location("examples_build", ROOT / "examples/build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


RECIPE = _recipe()
REFERENCE_IMPORTS, REFERENCE_EXPORTS = worlds(ROOT / RECIPE.REFERENCE)
ACTORS = [guest.output for guest in RECIPE.GUESTS if guest.world == "runtime-host"]
COMPONENTS = [guest.output for guest in RECIPE.GUESTS]
LOCK = json.loads((ROOT / RECIPE.LOCK).read_text())


def _misfits(part, whole):
    return {
        f"{interface}#{name}": (signature, whole.get(interface, {}).get(name))
        for interface, members in part.items()
        for name, signature in members.items()
        if whole.get(interface, {}).get(name) != signature
    }


def test_reference_imports_every_host_interface_and_exports_the_lifecycle():
    functions = {
        name: [m for m, s in members.items() if s.startswith("func")] for name, members in REFERENCE_IMPORTS.items()
    }
    assert sorted(functions["airssys:core/host-messaging@1.0.0"]) == [
        "broadcast",
        "cancel-request",
        "request",
        "self-id",
        "send",
    ]
    assert sorted(functions["airssys:core/host-pubsub@1.0.0"]) == [
        "current-topic",
        "publish",
        "subscribe",
        "unsubscribe",
    ]
    assert sorted(functions["airssys:core/host-services@1.0.0"]) == [
        "current-time",
        "current-time-millis",
        "get-component-metadata",
        "list-components",
        "log",
        "sleep-millis",
    ]
    assert sorted(functions["airssys:core/storage@1.0.0"]) == ["delete", "exists", "get", "list-keys", "set", "usage"]
    assert list(REFERENCE_EXPORTS) == [LIFECYCLE]


def test_lifecycle_has_the_signatures_guests_of_the_airssys_project_are_written_for():
    component_id = "record{namespace: string, name: string, instance: string}"
    message = (
        f"record{{sender: {component_id}, payload: list<u8>, metadata: record{{correlation-id: option<string>, "
        f"reply-to: option<{component_id}>, timestamp: record{{seconds: u64, nanoseconds: u32}}, "
        "content-type: option<string>}}"
    )
    wasm_error = (
        "variant{component-not-found(string), instantiation-failed(string), export-not-found(string), timeout, "
        "resource-limit-exceeded(string), invalid-component(string), runtime-error(string)}"
    )
    component_error = (
        "variant{initialization-failed(string), already-initialized, not-initialized, shutdown-failed(string), "
        "invalid-state(string)}"
    )
    functions = {n: s for n, s in REFERENCE_EXPORTS[LIFECYCLE].items() if s.startswith("func")}
    assert functions == {
        "initialize": "func(config: record{env-vars: list<tuple<string, string>>, config-data: option<list<u8>>, "
        "resource-limits: record{max-memory-bytes: u64, max-execution-time-ms: u64, max-fuel: option<u64>}}) "
        f"-> result<_, {component_error}>",
        "handle-message": f"func(msg: {message}) -> result<option<list<u8>>, {wasm_error}>",
        "handle-callback": f"func(msg: {message}) -> result<_, {wasm_error}>",
        "metadata": "func() -> record{name: string, version: string, description: string, author: string, "
        "license: string, supported-operations: list<string>, stateful: bool}",
        "health": "func() -> enum{healthy, degraded, unhealthy, unknown}",
        "shutdown": f"func() -> result<_, {component_error}>",
    }


@pytest.mark.parametrize("path", ACTORS)
def test_actor_imports_only_what_the_world_offers_and_exports_all_it_asks(path):
    imports, exports = worlds(ROOT / path)
    assert _misfits(imports, REFERENCE_IMPORTS) == {}
    assert _misfits(REFERENCE_EXPORTS, exports) == {}
    assert _misfits(exports, REFERENCE_EXPORTS) == {}


def test_faulty_reaches_every_host_function():
    imports, _ = worlds(ROOT / "tests/components/faulty/faulty.wasm")
    functions = {k: {n: s for n, s in m.items() if s.startswith("func")} for k, m in REFERENCE_IMPORTS.items()}
    assert _misfits(functions, imports) == {}


def test_calculator_imports_nothing_and_exports_typed_functions():
    imports, exports = worlds(ROOT / "examples/03-calculator/components/calculator-1.0.0/calculator.wasm")
    error = "variant{division-by-zero, overflow, invalid(string)}"
    point = "record{x: f64, y: f64}"
    operation = (
        "variant{pi, square-root(f64), difference(record{left: f64, right: f64}), "
        "quotient(record{left: f64, right: f64}), sum(list<f64>)}"
    )
    assert imports == {}
    assert exports["version"] == {"": "func() -> string"}
    assert {n: s for n, s in exports["example:calculator/operations@1.0.0"].items() if s.startswith("func")} == {
        "add": "func(a: s32, b: s32) -> s32",
        "divide": f"func(a: s64, b: s64) -> result<s64, {error}>",
        "divide-with-remainder": "func(a: u64, b: u64) -> option<tuple<u64, u64>>",
        "evaluate": f"func(expr: {operation}) -> result<f64, {error}>",
        "round": f"func(value: f64, how: enum{{nearest, down, up}}) -> result<s64, {error}>",
        "summarise": "func(values: list<f64>) -> option<record{count: u32, mean: f64, minimum: f64, maximum: f64}>",
        "scale": f"func(points: list<{point}>, by: f64) -> list<{point}>",
        "format": "func(value: s64, how: flags{grouped, signed}) -> string",
        "parse": f"func(text: string) -> result<s64, {error}>",
    }


@pytest.mark.parametrize("path", sorted(LOCK))
def test_committed_component_is_what_its_sources_give(path):
    assert LOCK[path]["inputs"] == RECIPE.inputs()[path], f"{path} is older than its sources: run `make components`"
    assert LOCK[path]["sha256"] == RECIPE.sha256((ROOT / path).read_bytes()), (
        f"{path} was not built by `make components`"
    )


def test_lock_names_every_component_and_no_other():
    committed = {
        p.relative_to(ROOT).as_posix()
        for f in ("examples", "tests/components", "benchmarks")
        for p in (ROOT / f).rglob("*.wasm")
    }
    committed -= {guest.adapter for guest in RECIPE.GUESTS if guest.libc}  # inputs, which the digests of those cover
    assert set(LOCK) - {RECIPE.REFERENCE.as_posix()} == committed == set(COMPONENTS)


def test_an_edited_source_is_noticed(monkeypatch, tmp_path):
    for path in {name for guest in RECIPE.GUESTS for name in guest.inputs} | set(RECIPE.wit_files("wit")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    before = RECIPE.inputs()
    monkeypatch.setattr(RECIPE, "ROOT", tmp_path)
    assert RECIPE.inputs() == before
    with (tmp_path / "examples/02-counter/src/counter.c").open("a") as source:
        source.write("/* edited */\n")
    changed = {path for path, digest in RECIPE.inputs().items() if digest != before[path]}
    assert changed == {guest.output for guest in RECIPE.GUESTS if "02-counter" in guest.source}


@pytest.mark.parametrize("path", COMPONENTS)
def test_component_toml_lies_beside_the_component_and_agrees_with_the_folder(path):
    folder = (ROOT / path).parent
    manifest = tomllib.loads((folder / "Component.toml").read_text())
    assert manifest["artifact"]["path"] == Path(path).name
    assert folder.name in {manifest["package"]["name"], "{name}-{version}".format(**manifest["package"])}


DECLARES = re.compile(r"^\s*(?!use |package |import |export |//|\}|$)(export )?[a-z%]")


@pytest.mark.parametrize("path", [*RECIPE.wit_files("wit"), *RECIPE.wit_files("examples/03-calculator/wit")])
def test_every_wit_item_is_documented(path):
    lines = (ROOT / path).read_text().splitlines()
    bare = [
        f"{path}:{n + 1}: {line.strip()}"
        for n, line in enumerate(lines)
        if DECLARES.match(line) and "///" not in lines[n - 1]
    ]
    assert bare == []

"""`airs component info` and `diff`, and what `validate` and `plan` say of components that cannot be linked."""

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest
import wasmtime

from tests.e2e.conftest import EXAMPLES, REPOSITORY, Airs, deployment

COUNTER = EXAMPLES / "02-counter/components/counter-1.1.0/counter.wasm"
CALCULATOR = EXAMPLES / "03-calculator/components/calculator-1.0.0/calculator.wasm"
STORAGE = "airssys:core/storage@1.0.0"
TWICE = """
(component (@producers (language "WAT" "1"))
  (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
  (core instance $i (instantiate $m))
  (func $f (param "n" {old}) (result {old}) (canon lift (core func $i "f")))
  (instance $n (export "twice" (func $f)))
  (export "my:math/ops@1.0.0" (instance $n))
  {more})
"""
CANNOT = f"""
(component
  (import "foo:bar/baz@1.0.0" (instance (export "f" (func))))
  (import "{STORAGE}" (instance
    (export "exists" (func (param "key" (list u8)) (result bool)))
    (export "purge" (func))))
  (core module $m (func (export "f"))) (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f"))))
"""
MISSING = "the component imports what nothing here provides: `foo:bar/baz@1.0.0`"
RETYPED = f"the component imports `{STORAGE}#exists` with another type than it has here"
UNKNOWN = f"the component imports `{STORAGE}#purge`, and its interface has no such function here"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wasmtime.wat2wasm(text))
    return path


def fits(name: str, document: object) -> None:
    jsonschema.validate(document, json.loads((REPOSITORY / f"schemas/{name}.schema.json").read_text()))


def test_info_says_what_a_component_is_and_asks_for(airs: Airs):
    said = airs.quick("component", "info", COUNTER).stdout
    assert "driven as    actor: messages" in said
    assert f"airs      storage.read, storage.write  {STORAGE}" in said
    assert "    export airssys:core" not in said
    assert "  export airssys:core/component-lifecycle@1.0.0;" in said
    assert "handle-message: func(msg: component-message) -> result<option<message-payload>, wasm-error>;" in said
    assert "core modules of" in said
    assert "cannot run here" not in said


ALIASED = """
(component
  (import "w:h/types@0.2.0" (instance $t
    (export "fields" (type $f (sub resource)))
    (export "headers" (type $h (eq $f)))
    (type $e0 (enum "io" "closed")) (export "error-code" (type $e (eq $e0)))
    (type $r (result (error $e)))
    (export "send" (func (param "h" (own $h)) (result (future $r))))))
  (alias export $t "error-code" (type $e))
  (import "w:h/more@0.2.0" (instance (alias outer 1 $e (type $e0)) (export "code" (type (eq $e0)))))
  (import "m" (core module)))
"""
ALIASED_WIT = """\
package root:component;

world root {
  import w:h/types@0.2.0;
  import w:h/more@0.2.0;
  // import m: a core module, which WIT has no name for here
}

package w:h@0.2.0 {
  interface types {
    resource fields;
    type headers = fields;
    enum error-code {
      io,
      closed,
    }
    send: func(h: headers) -> future<result<_, error-code>>;
  }
  interface more {
    use types.{error-code as code};
  }
}
"""


def test_info_prints_the_names_that_the_component_has_and_says_what_wit_cannot(airs: Airs):
    assert airs.quick("component", "info", written(airs.folder, "a.wasm", ALIASED), "--wit").stdout == ALIASED_WIT


def test_info_as_json_fits_its_schema(airs: Airs):
    found = json.loads(airs.quick("component", "info", CALCULATOR, "-o", "json").stdout)
    fits("component-info", found)
    assert found["sizes"]["fileBytes"] == CALCULATOR.stat().st_size
    assert found["sizes"]["codeBytes"] > found["sizes"]["coreBytes"] > 0
    assert found["drives"] == ["callable"]
    assert {"name": "version", "signature": "func() -> string"} in found["exports"]


NEVER_CALLED = bytes((8, 4, 1, 0x0A, 0x7F, 0))  # a section with one more canonical function, `context.get`


def test_info_says_how_messages_reach_an_actor_and_its_own_world_all_the_same(airs: Airs):
    """An adapter adds an export, and for calls out an import; both are nobody's business but the runtime's."""
    odd = airs.folder / "odd.wasm"
    odd.write_bytes(COUNTER.read_bytes() + NEVER_CALLED)
    why = "its binary is not understood: canonical function 0xa is unknown"
    places = {}
    for file, line in ((COUNTER, "an adapter within it"), (odd, "an adapter beside it")):
        said = airs.quick("component", "info", file).stdout
        assert f"messages     cross through {line}" in said
        assert "airs:adapter" not in said
        assert (f": {why}\n" in said) == (file == odd)
        found = json.loads(airs.quick("component", "info", file, "-o", "json").stdout)
        fits("component-info", found)
        assert found["digest"] == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
        places[file] = found["adapter"], found["wit"]
    assert [adapter for adapter, _ in places.values()] == [
        {"place": "within", "why": ""},
        {"place": "beside", "why": why},
    ]
    assert places[COUNTER][1] == places[odd][1]
    assert json.loads(airs.quick("component", "info", CALCULATOR, "-o", "json").stdout)["adapter"] is None


def test_info_says_that_actors_have_no_adapter_on_the_stock_path(airs: Airs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRS_CALLS", "stock")
    said = airs.quick("component", "info", COUNTER).stdout
    assert "messages     cross without an adapter, value by value: calls take the stock path" in said


def test_the_world_alone_is_wit(airs: Airs):
    text = airs.quick("component", "info", CALCULATOR, "--wit").stdout
    assert text.startswith("package root:component;\n\nworld root {\n")
    assert "    divide: func(a: s64, b: s64) -> result<s64, arithmetic-error>;\n" in text


def test_info_names_some_functions_of_a_large_interface_and_its_world_names_all(airs: Airs):
    functions = "".join(f'(export "f{n}" (func)) ' for n in range(8))
    many = f'(component (import "foo:bar/baz@1.0.0" (instance {functions})))'
    said = airs.quick("component", "info", written(airs.folder, "many.wasm", many)).stdout
    assert "foo:bar/baz@1.0.0  f0, f1, f2, f3, f4, f5 and 2 more\n" in said
    assert "f7: func();" in said


def test_info_names_producers_and_everything_that_keeps_it_from_running(airs: Airs):
    said = airs.quick("component", "info", written(airs.folder, "twice.wasm", TWICE.format(old="u8", more=""))).stdout
    assert "language     WAT 1" in said
    said = airs.quick("component", "info", written(airs.folder, "cannot.wasm", CANNOT)).stdout
    for summary in (MISSING, RETYPED, UNKNOWN):
        assert f"cannot run here: {summary}" in said
    assert ["nobody", "none", "foo:bar/baz@1.0.0", "f"] in [line.split() for line in said.splitlines()]


OTHER_FILES = [
    ("(module)", "is a core module, not a component", "wasm-tools component new"),
    ('(module (import "wasi_snapshot_preview1" "f" (func)))', "is a core module for WASI preview 1", "wasm32-wasip2"),
]


@pytest.mark.parametrize(("text", "summary", "suggestion"), OTHER_FILES)
def test_what_is_no_component_is_called_what_it_is(airs: Airs, text: str, summary: str, suggestion: str):
    done = airs.quick("component", "info", written(airs.folder, "other.wasm", text), check=False)
    assert done.returncode == 65
    assert summary in done.stderr
    assert suggestion in done.stderr


def test_a_truncated_file_is_called_one_by_diff_too(airs: Airs):
    cut = airs.folder / "cut.wasm"
    cut.write_bytes(COUNTER.read_bytes()[:-100])
    done = airs.quick("component", "diff", COUNTER, cut, check=False)
    assert done.returncode == 65
    assert "cut.wasm is a truncated component" in done.stderr


def test_diff_says_what_changed_and_whose_calls_it_breaks(airs: Airs):
    old = written(airs.folder, "old.wasm", TWICE.format(old="u8", more=""))
    new = written(airs.folder, "new.wasm", TWICE.format(old="u16", more='(export "all" (func $f))'))
    done = airs.quick("component", "diff", old, new)
    assert done.stdout.startswith("breaking: calls through airs and linked components of the old one")
    assert (
        "  ~ function my:math/ops@1.0.0#twice\n      was func(n: u8) -> u8\n      now func(n: u16) -> u16\n"
        in done.stdout
    )
    assert "      parameter n: u8 → u16  breaks linked components\n" in done.stdout
    assert "      result: u8 → u16  breaks calls through airs and linked components\n" in done.stdout
    assert "  + function all\n" in done.stdout
    assert airs.quick("component", "diff", "--exit-code", old, new, check=False).returncode == 1
    assert airs.quick("component", "diff", "--exit-code", old, old).stdout.startswith("compatible: nothing changed")


def test_diff_as_json_fits_its_schema(airs: Airs):
    found = json.loads(airs.quick("component", "diff", "-o", "json", CALCULATOR, COUNTER).stdout)
    fits("component-diff", found)
    assert found["compatible"] is False
    assert found["old"].startswith("sha256:")
    removed = [change for change in found["changes"] if change["name"] == "example:calculator/operations@1.0.0"]
    assert removed[0]["kind"] == "removed"
    assert any(change["side"] == "import" and change["name"] == STORAGE for change in found["changes"])


def test_whatever_cannot_be_linked_is_named_at_once_before_anything_changes(airs: Airs):
    component = airs.copy_component("faulty")
    written(component, "faulty.wasm", CANNOT)
    manifests = airs.folder / "manifests"
    manifests.mkdir()
    (manifests / "faulty.yaml").write_text(deployment("faulty", "../components/faulty"))
    for verb in ("validate", "plan"):
        done = airs.quick(verb, manifests, check=False)
        assert done.returncode == 65
        for summary in (MISSING, RETYPED, UNKNOWN):
            assert summary in done.stderr
        assert "`foo:bar/baz@1.0.0`: nobody has it." in done.stderr
        assert "Expected func(key: string) -> result<bool, variant{" in done.stderr
        assert "found func(key: list<u8>) -> bool." in done.stderr

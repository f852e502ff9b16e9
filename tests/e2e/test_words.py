"""Messages that lead on: for each mistake that people make, the place, the fault, and what to do next."""

import shutil
from collections.abc import Callable

import pytest
import wasmtime

from tests.e2e.conftest import EXAMPLES, Airs, git

USAGE, INVALID, NO_AGENT = 64, 65, 69
HELLO = "01-hello/components/hello-1.0.0"
TOML, WASM, YAML = f"{HELLO}/Component.toml", f"{HELLO}/hello.wasm", "01-hello/manifests/hello.yaml"
FD_WRITE = '(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))'
PLAIN = (
    '(core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))'
)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"


def wasm(wat: str) -> bytes:
    return bytes(wasmtime.wat2wasm(wat))


ARTIFACTS = {
    "a git-LFS pointer": (LFS, "a git-LFS pointer in place of the file", "Run `git lfs pull` in the work tree"),
    "a program for preview 1": (
        wasm(f'(module {FD_WRITE} (func (export "_start")))'),
        "it imports wasi_snapshot_preview1, and exports `_start`: a program",
        "wrap it with the command adapter, which lies beside each release of wasmtime "
        "(https://github.com/bytecodealliance/wasmtime/releases)",
    ),
    "a library for preview 1": (
        wasm(f'(module {FD_WRITE} (func (export "_initialize")))'),
        "exports no `_start`: a library",
        "--adapt wasi_snapshot_preview1=wasi_snapshot_preview1.reactor.wasm -o component.wasm",
    ),
    "threads": (
        wasm(f'(module (import "wasi" "thread-spawn" (func (param i32) (result i32))) {FD_WRITE})'),
        "a core module for WASI preview 1 with wasi-threads, not a component",
        "Build it without threads, for wasm32-wasip2.",
    ),
    "a JavaScript guest": (
        wasm(
            '(component (import "wasi:http/types@0.2.3" (instance (export "f" (func)))) '
            f'{PLAIN} (export "f" (func $f)))'
        ),
        "the component imports what nothing here provides: `wasi:http/types@0.2.3`",
        "build it without HTTP; jco gives every JavaScript guest HTTP unless it is told "
        "`jco componentize … --disable http fetch-event`",
    ),
    "a JavaScript guest's event": (
        wasm(
            f'(component {PLAIN} (instance $x (export "handle" (func $f))) '
            '(export "wasi:http/incoming-handler@0.2.3" (instance $x)))'
        ),
        "it is neither an actor nor callable nor a job",
        "--disable http fetch-event",
    ),
}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_file_that_is_no_component_that_runs_here_is_named_for_what_it_is(name: str, airs: Airs):
    data, what, hint = ARTIFACTS[name]
    airs.copy_example("01-hello")
    (airs.folder / WASM).write_bytes(data)
    refused = airs.run("validate", "01-hello/manifests", check=False)
    assert refused.returncode == INVALID
    assert f"{TOML}:11:8: error: " in refused.stderr
    assert what in refused.stderr
    assert hint in refused.stderr


def test_a_component_that_imports_its_siblings_interface_is_to_be_composed(airs: Airs):
    airs.copy_example("01-hello")
    shared = "shop:tax/rates@1.0.0"
    consumer = wasm(f'(component (import "{shared}" (instance (export "f" (func)))) {PLAIN} (export "f" (func $f)))')
    provider = wasm(f'(component {PLAIN} (instance $x (export "f" (func $f))) (export "{shared}" (instance $x)))')
    (airs.folder / WASM).write_bytes(consumer)
    (airs.folder / "01-hello/components/hello-1.1.0/hello.wasm").write_bytes(provider)
    text = (airs.folder / YAML).read_text()
    (airs.folder / "01-hello/manifests/other.yaml").write_text(
        text.replace("hello-1.0.0", "hello-1.1.0").replace("name: hello", "name: other")
    )
    refused = airs.run("validate", "01-hello/manifests", check=False)
    assert refused.returncode == INVALID
    assert "components are not linked with each other here" in refused.stderr
    assert "`wac plug THIS.wasm --plug THAT.wasm -o COMPOSED.wasm`" in refused.stderr


def added(line: str) -> Callable[[str], str]:
    return lambda text: text + line + "\n"


def instead(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


MANIFESTS = {
    "a folder whose neighbour is meant": (
        YAML, instead("hello-1.0.0", "hello-9.9.9"), ":10:11: error: ",
        "there is no hello-9.9.9 on the way to it; there is hello-1.0.0, hello-1.1.0, hello-1.2.0",
    ),
    "an artifact whose neighbour is meant": (
        TOML, instead('"hello.wasm"', '"hallo.wasm"'), ":11:8: error: ", "there is no hallo.wasm; there is hello.wasm",
    ),
    "64MB": (
        YAML, added("  limits: {memory: 64MB}"), ":12:20: error: `spec.limits.memory` is `64MB`",
        "write `64MiB` (67_108_864 bytes), or `64000000B`",
    ),
    "64MB in a Component.toml": (
        TOML, instead('"16MiB"', '"64MB"'), ":14:10: error: `resources.memory` is `64MB`",
        "write `64MiB` (67_108_864 bytes), or `64000000B`",
    ),
    "5 sec": (YAML, added("  limits: {timeout: 5 sec}"), ":12:21: error: `spec.limits.timeout`", "write `5s`"),
    "a list of one": (
        YAML, added("  dependsOn: tax"), ":12:14: error: `spec.dependsOn` must be a list, but is text",
        'write a list: `["tax"]`',
    ),
    "a key one level out": (
        YAML, added("  keepPrevious: 5m"), ":12:3: error: unknown key `keepPrevious` in `spec`",
        "`keepPrevious` belongs under `spec.rollout`",
    ),
    "a key of two mappings one level out": (
        YAML, added("  strategy: canary"), ":12:3: error: unknown key `strategy` in `spec`",
        "`strategy` belongs under `spec.group` or `spec.rollout`",
    ),
    "a key at the top": (YAML, added("replicas: 3"), ":12:1: error: unknown key `replicas`", "belongs under `spec`"),
    "a key one level in": (
        YAML, added("  rollout: {replicas: 3}"), ":12:13: error: unknown key `replicas` in `spec.rollout`",
        "`replicas` belongs under `spec`",
    ),
    "a capability outside of grants": (
        YAML, added("  storage.read: [self]"), ":12:3: error: unknown key `storage.read` in `spec`",
        "`storage.read` belongs under `spec.grants`",
    ),
    "a manifest of comments": (
        YAML, lambda _: "# hello\n# runs no more\n", ": error: the file holds only comments",
        "remove the file, so that what it deployed is removed, or write a deployment into it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MANIFESTS)
def test_what_is_written_wrongly_is_answered_with_what_was_meant(name: str, airs: Airs):
    file, change, where, hint = MANIFESTS[name]
    airs.copy_example("01-hello")
    path = airs.folder / file
    path.write_text(change(path.read_text()))
    refused = airs.run("validate", "01-hello/manifests", check=False)
    assert refused.returncode == INVALID
    assert f"{file}{where}" in refused.stderr
    assert hint in refused.stderr


SUBMODULE = '[submodule "hello"]\n\tpath = components/hello-1.0.0\n\turl = https://example.org/hello.git\n'


def test_a_component_in_a_submodule_that_is_not_there_is_told_of(airs: Airs):
    folder = airs.copy_example("01-hello")
    git(folder, "init", "-q")
    (folder / ".gitmodules").write_text(SUBMODULE)
    shutil.rmtree(folder / "components/hello-1.0.0")
    (folder / "components/hello-1.0.0").mkdir()
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "shop")
    for source in ("01-hello/manifests", "01-hello#HEAD:manifests"):
        refused = airs.run("validate", source, check=False)
        assert refused.returncode == INVALID
        assert "hello.yaml:10:11: error: " in refused.stderr
        assert "lies in a git submodule, which is not there" in refused.stderr
        assert "run `git submodule update --init`; a git source reads no submodules" in refused.stderr


def test_a_manifest_by_another_case_is_not_passed_over_in_silence(airs: Airs):
    manifest = airs.copy_example("01-hello") / "manifests/hello.yaml"
    other = manifest.rename(manifest.with_suffix(".YAML"))
    git(manifest.parent.parent, "init", "-q")
    git(manifest.parent.parent, "add", "-A")
    git(manifest.parent.parent, "commit", "-qm", "shop")
    said = airs.run("validate", manifest.parent)
    what = "hello.YAML: warning: `01-hello/manifests/hello.YAML` is not read: the name of a manifest ends in `.yaml`"
    assert what in said.stderr
    assert "-dirty" not in airs.run("plan", manifest.parent).stdout
    refused = airs.run("validate", other, check=False)
    assert refused.returncode == USAGE
    assert f"Rename it to {manifest}." in refused.stderr


def test_a_repository_may_have_a_hash_mark_in_its_path(airs: Airs):
    repository = airs.folder / "shop#1"
    shutil.copytree(EXAMPLES / "01-hello", repository)
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "shop")
    for source in ("shop#1#HEAD:manifests", f"{repository}#HEAD:manifests", "shop#1/manifests"):
        assert airs.run("validate", source).stdout == "1 deployment valid\n"
    refused = airs.run("validate", f"file://{repository}#HEAD:manifests", check=False)
    assert refused.returncode == USAGE
    assert "in a URL, # is written %23" in refused.stderr
    assert airs.run("validate", f"file://{airs.folder}/shop%231#HEAD:manifests").stdout == "1 deployment valid\n"


def test_a_payload_over_the_limit_is_told_with_its_size_and_a_way_out(airs: Airs):
    (airs.folder / "big").write_bytes(b"x" * ((1 << 20) + 5))
    refused = airs.run("send", "hello", "--file", "big", check=False)
    assert refused.returncode == USAGE
    assert "the message has 1048581 bytes; at most 1048576 (1 MiB) are sent" in refused.stderr
    assert "Send it in parts, or send where it is" in refused.stderr


def test_a_saved_plan_is_overwritten_only_by_force(airs: Airs):
    airs.copy_example("01-hello")
    airs.run("plan", "01-hello/manifests", "--out", "p")
    before = (airs.folder / "p").read_bytes()
    (airs.folder / YAML).write_text((airs.folder / YAML).read_text().replace("replicas: 2", "replicas: 1"))
    refused = airs.run("plan", "01-hello/manifests", "--out", "p", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "error: p exists already\n    → Use --force to overwrite it, or name another file.\n"
    assert (airs.folder / "p").read_bytes() == before
    airs.run("plan", "01-hello/manifests", "--out", "p", "--force")
    assert (airs.folder / "p").read_bytes() != before


def test_a_state_directory_that_does_not_exist_is_said_not_to(airs: Airs):
    nowhere = airs.folder / "nowhere"
    refused = airs.run("--state-dir", nowhere, "request", "hello", "x", check=False)
    assert refused.returncode == NO_AGENT
    assert f"no agent is running on {nowhere}" in refused.stderr
    assert "There is no such directory: nothing was applied with it yet." in refused.stderr
    assert not nowhere.exists()


def test_of_many_functions_the_nearest_are_listed_a_line_each(airs: Airs):
    manifest = airs.copy_example("08-types") / "manifests/types.yaml"
    manifest.write_text(manifest.read_text() + "  health: {call: {function: echo-u63, expect: 1}}\n")
    refused = airs.run("validate", manifest.parent, check=False)
    assert refused.returncode == INVALID
    lines = refused.stderr.splitlines()
    assert "      echo-u64: func(value: u64) -> u64" in lines
    assert sum(": func(" in line for line in lines) == 10
    assert any("more, which `airs component info` lists" in line for line in lines)
    assert "    → Did you mean echo-u64?" in lines

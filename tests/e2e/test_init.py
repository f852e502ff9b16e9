"""`airs init` writes manifests for a bare component that validate, deploy and answer as they are."""

import shutil
import tomllib
from pathlib import Path

import pytest

from tests.e2e.conftest import COMPONENTS, EXAMPLES, Airs

FAILED, USAGE, INVALID = 1, 64, 65
ARTIFACTS = {
    path.parent.name: path
    for path in (*EXAMPLES.glob("*/components/*/*.wasm"), *COMPONENTS.glob("*/*.wasm"))
}  # fmt: skip


def bare(airs: Airs, name: str) -> Path:
    """Put a bare component into an empty folder."""
    folder = airs.folder / name
    folder.mkdir()
    return Path(shutil.copy(ARTIFACTS[name], folder))


def written(wasm: Path) -> tuple[Path, Path]:
    return wasm.with_name("Component.toml"), wasm.with_suffix(".yaml")


@pytest.mark.parametrize("name", sorted(ARTIFACTS))
def test_what_it_writes_for_every_component_is_valid(airs: Airs, name: str):
    wasm = bare(airs, name)
    done = airs.quick("init", wasm)
    assert done.stdout == ""
    assert all(path.exists() and str(path) in done.stderr for path in written(wasm))
    assert airs.quick("validate", wasm.parent).stdout == "1 deployment valid\n"


@pytest.mark.parametrize(
    ("name", "question", "answer"),
    [
        ("hello-1.0.0", ("request", "hello", "Ada"), "Hello, Ada!\n"),
        ("counter-1.0.0", ("request", "counter", "add 3"), "3\n"),
        ("calculator-1.0.0", ("call", "calculator", "add", "1", "-3"), "-2\n"),
        ("probe", ("run", "probe", "--", "say", "hello"), "hello\n"),
    ],
)
def test_what_it_writes_can_be_applied_and_answers(airs: Airs, name: str, question: tuple[str, ...], answer: str):
    wasm = bare(airs, name)
    said = airs.quick("init", wasm).stderr
    next_command = said.splitlines()[-1].removeprefix("Next: airs ")
    airs.run(*next_command.split())
    assert airs.quick(*question).stdout == answer


def test_it_takes_over_what_the_component_says_of_itself(airs: Airs):
    wasm = bare(airs, "counter-1.1.0")
    airs.quick("init", wasm)
    toml, yaml = written(wasm)
    package = tomllib.loads(toml.read_text())["package"]
    assert (package["name"], package["version"], package["stateful"]) == ("counter", "1.1.0", True)
    assert "storage.read: [self]" in yaml.read_text()
    assert toml.read_text().count("#") > 3


def test_what_is_there_is_not_overwritten_unless_told(airs: Airs):
    wasm = bare(airs, "hello-1.0.0")
    toml, yaml = written(wasm)
    toml.write_text("mine")
    refused = airs.quick("init", wasm, check=False)
    assert (refused.returncode, toml.read_text(), yaml.exists()) == (FAILED, "mine", False)
    airs.quick("init", wasm, "--force")
    assert toml.read_text() != "mine"


def test_a_name_can_be_given_and_is_checked(airs: Airs):
    wasm = bare(airs, "hello-1.0.0")
    assert airs.quick("init", wasm, "--name", "Not A Name", check=False).returncode == USAGE
    assert airs.quick("init", wasm.rename(wasm.with_name("9.wasm")), check=False).returncode == USAGE
    airs.quick("init", wasm.with_name("9.wasm"), "--name", "nine")
    assert "name: nine" in wasm.with_name("nine.yaml").read_text()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "an empty file"),
        (b"root:x:0:0", "not WebAssembly"),
        (b"\0asm\1\0\0\0", "a core module, not a component"),
        (b"\0asm\x0d\0\1\0" + b"\xff" * 64, ""),
    ],
    ids=["empty", "text", "core-module", "damaged"],
)
def test_what_is_no_component_is_refused_with_a_sentence(airs: Airs, data: bytes, why: str):
    wasm = airs.folder / "guest.wasm"
    wasm.write_bytes(data)
    refused = airs.quick("init", wasm, check=False)
    assert refused.returncode == INVALID
    assert why in refused.stderr
    assert [path.name for path in airs.folder.iterdir()] == ["guest.wasm"]


def test_a_cut_off_component_is_refused(airs: Airs):
    wasm = bare(airs, "hello-1.0.0")
    wasm.write_bytes(wasm.read_bytes()[:-1000])
    assert airs.quick("init", wasm, check=False).returncode == INVALID
    assert [path.name for path in wasm.parent.iterdir()] == ["hello.wasm"]

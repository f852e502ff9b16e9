"""A component that takes a while to compile: `apply`, `up`, events and status say so."""

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.guests import big

from .conftest import AIRS, Airs, deployment, wait_until

FUNCTIONS = 1_000  # enough that compiling is told
MANY = 3_000  # enough that somebody who looks sees it under way
TOML = """
manifest-version = 1
[package]
name = "large"
version = "1.0.0"
[artifact]
path = "large.wasm"
[resources]
memory = "4MiB"
fuel = 1_000_000
timeout = "5s"
"""


@pytest.fixture(scope="module")
def large() -> bytes:
    return big(FUNCTIONS)


def folder(airs: Airs, large: bytes) -> Path:
    """Return a folder that deploys this component."""
    component = airs.folder / "large"
    component.mkdir()
    (component / "large.wasm").write_bytes(large)
    (component / "Component.toml").write_text(TOML)
    (airs.folder / "manifests").mkdir()
    (airs.folder / "manifests" / "large.yaml").write_text(deployment("large", "../large"))
    return airs.folder / "manifests"


@pytest.fixture
def manifests(airs: Airs, large: bytes) -> Path:
    """A folder that deploys the large component."""
    return folder(airs, large)


@pytest.fixture
def lasting(airs: Airs) -> Path:
    """A folder that deploys one whose compiling lasts."""
    return folder(airs, big(MANY))


def test_apply_says_what_it_compiles_once(airs: Airs, manifests: Path):
    done = airs.run("apply", manifests)
    assert done.stderr.count("Compiling large/large.wasm (") == 1
    assert "MiB)" in done.stderr
    assert airs.run("call", "large", "seven").stdout == "7\n"
    assert "ompiling" not in airs.run("plan", manifests).stderr
    assert not [event for event in airs.client().deployments() if event.compiling]
    assert "compiling" not in airs.run("events").stdout  # the agent found it in the cache


def test_apply_on_a_terminal_shows_it_moving(airs: Airs, lasting: Path):
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*AIRS, "apply", str(lasting)], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, cwd=airs.folder,
        env=airs.env | {"TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while True:
        try:
            read = os.read(controller, 4_096)
        except OSError:  # the other end was closed
            break
        shown += read
        if not read:
            break
    os.close(controller)
    assert process.wait() == 0
    assert b"Compiling large/large.wasm (" in shown
    assert re.search(rb"MiB\)  \d+ s", shown)


def test_an_agent_that_has_to_compile_says_so_in_its_status_and_events(airs: Airs, lasting: Path):
    airs.run("apply", lasting)
    airs.run("agent", "stop")
    shutil.rmtree(airs.state_dir / "cache")
    airs.background("agent", "start")  # it answers while it compiles, which may be over when this command is
    found = wait_until(
        lambda: airs.client().answers() and [v.compiling for v in airs.client().deployments() if v.compiling]
    )
    assert found[0].size_bytes > 1 << 20
    wait_until(lambda: airs.phase("large") == "running")
    told = [line for line in airs.run("events").stdout.splitlines() if "compiling" in line]
    assert [("over after" in line) for line in told] == [False, True]
    assert all("default/large (" in line for line in told)
    assert not [view for view in airs.client().deployments() if view.compiling]


def test_up_prints_what_it_compiles(airs: Airs, manifests: Path):
    running = airs.background("up", manifests)
    running.says("large/large.wasm (")
    running.says("over after")
    wait_until(lambda: airs.client().answers() and airs.phase("large") == "running")
    assert running.stdout.count("compiling") == 2


def test_agents_that_share_a_cache_compile_once(airs: Airs, manifests: Path, tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o700)
    for state in (airs.state_dir, tmp_path / "other"):
        state.mkdir(mode=0o700)
        (state / "cache").symlink_to(shared)
        airs.run("agent", "start", "--state-dir", state)
    try:
        first = airs.run("apply", manifests)
        second = airs.run("apply", manifests, "--state-dir", tmp_path / "other")
        assert (first.stderr.count("Compiling"), second.stderr.count("Compiling")) == (1, 0)
        assert airs.run("call", "large", "seven", "--state-dir", tmp_path / "other").stdout == "7\n"
        assert "compiling" not in airs.run("events", "--state-dir", tmp_path / "other").stdout
        assert "shared: " in airs.run("doctor").stdout
    finally:
        airs.run("agent", "stop", "--state-dir", tmp_path / "other")


UNMET = '(import "foo:bar/baz@1.0.0" (instance (export "f" (func))))'
WHY = "the component imports what nothing here provides: `foo:bar/baz@1.0.0`"


@pytest.fixture(scope="module")
def unmet() -> bytes:
    return big(FUNCTIONS, imports=UNMET)


def kept(airs: Airs) -> list[str]:
    return [path.name for path in (airs.state_dir / "cache").glob("*.cwasm")]


def test_what_a_component_imports_refuses_it_before_it_is_compiled(airs: Airs, manifests: Path, unmet: bytes):
    component = airs.folder / "large/large.wasm"
    component.write_bytes(unmet)
    airs.run("agent", "start")  # so that there is a cache
    for command in (("validate", manifests), ("plan", manifests), ("apply", manifests), ("init", component, "--force")):
        refused = airs.run(*command, check=False)
        assert refused.returncode == 65, command
        assert WHY in refused.stderr, command
        assert "`foo:bar/baz@1.0.0`: nobody has it." in refused.stderr, command
        assert "ompiling" not in refused.stderr, command
    assert "ompiling" not in airs.run("component", "diff", component, component).stderr
    assert kept(airs) == []


def test_a_refusal_says_the_same_of_a_component_that_was_compiled(airs: Airs, manifests: Path, unmet: bytes):
    component = airs.folder / "large/large.wasm"
    component.write_bytes(unmet)
    airs.run("agent", "start")
    early = airs.run("validate", manifests, check=False)
    described = airs.run("component", "info", component)
    assert described.stderr.count("Compiling") == 1
    assert f"cannot run here: {WHY}" in described.stdout
    assert len(kept(airs)) == 1
    assert airs.run("validate", manifests, check=False).stderr == early.stderr


def test_a_watched_source_refuses_a_component_for_its_imports_without_compiling_it(
    airs: Airs, manifests: Path, unmet: bytes
):
    airs.copy_example("01-hello")
    hello = airs.folder / "01-hello"
    running = airs.background("up", hello / "manifests")
    wait_until(lambda: airs.client().answers() and airs.phase("hello") == "running")
    before = kept(airs)
    (hello / "components/hello-1.0.0/hello.wasm").write_bytes(unmet)
    running.says(WHY)
    assert airs.phase("hello") == "running"
    assert kept(airs) == before
    assert "hello.wasm" not in airs.run("events").stdout

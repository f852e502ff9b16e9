"""A command imports what it needs and no more: that is what it takes to start."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli.commands import COMMANDS

HEAVY = {
    "git", "jsonschema", "starlette", "uvicorn", "wasmtime", "watchfiles", "yaml", "rocksdict", "httpx", "rich",
    "cbor2", "asyncio", "subprocess", "email", "ssl", "inspect", "typing_extensions", "hashlib", "nacl", "cryptography",
}  # fmt: skip
NO_CLIENT = {"socket", "orchestrator.contract.documents"}
READS_MANIFESTS = {
    "starlette", "uvicorn", "httpx", "rich", "asyncio", "watchfiles", "importlib.resources", "tempfile", "shutil",
    "subprocess", "json", "ctypes", "concurrent", "logging", "dataclasses", "inspect", "ast", "nacl", "cryptography",
}  # fmt: skip
ENGINE = {"wasmtime", "orchestrator.runtime"}
HELLO = Path(__file__).parents[2] / "examples/01-hello"
RUN = """
import sys
before = {*sys.modules}
from orchestrator.cli.main import run
run(%r)
print(*sorted(%r & sys.modules.keys() - before), "", file=sys.stderr)
"""


def imported(names: set[str], *arguments: str) -> list[str]:
    """Return which of some modules a command has imported when it is done."""
    code = RUN % ([*arguments], names)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1].split()


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], []])
def test_what_asks_nobody_imports_no_client(arguments: list[str]):
    assert imported(HEAVY | NO_CLIENT, *arguments) == []


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["status", "x"], ["get", "deployments"], ["request", "x", "y"], ["logs"], ["history", "x"],
     ["top", "--once"], ["agent", "status"]],
    ids=" ".join,
)  # fmt: skip
def test_what_asks_an_agent_imports_neither_the_engine_nor_what_reads_manifests(arguments: list[str], tmp_path):
    assert imported(HEAVY, "--state-dir", str(tmp_path), *arguments) == []


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """The manifests of 01-hello, in a folder that is no part of a work tree."""
    shutil.copytree(HELLO, tmp_path / "hello")
    return tmp_path / "hello/manifests"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with a cache, as an agent makes it."""
    (tmp_path / "state/cache").mkdir(mode=0o700, parents=True)
    return tmp_path / "state"


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_what_reads_artifacts_that_were_seen_before_imports_no_engine(command: str, hello: Path, state: Path):
    arguments = ("--state-dir", str(state), command, str(hello))
    assert imported(ENGINE, *arguments) == sorted(ENGINE)
    assert imported(ENGINE, *arguments) == []


def test_what_reads_manifests_imports_neither_a_server_nor_what_only_a_repository_needs(hello: Path, state: Path):
    arguments = ("--state-dir", str(state), "validate", str(hello))
    imported(ENGINE, *arguments)
    assert imported(READS_MANIFESTS, *arguments) == []


def _flip(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _rename(file: Path) -> None:
    file.rename(file.with_name(f"{file.stem[:-1]}x{file.suffix}"))


SPOILED: dict[str, Callable[[Path], object]] = {
    "flipped": _flip,
    "truncated": lambda file: os.truncate(file, 40),
    "emptied": lambda file: os.truncate(file, 0),
    "forged, without the key": lambda file: file.write_bytes(bytes(32) + file.read_bytes()[32:]),
    "of another version": _rename,
    "sealed with another key": lambda file: (file.parent / "key").write_bytes(bytes(32)),
    "open to others": lambda file: file.chmod(0o666),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_finding_is_found_anew_and_never_an_error(spoil: Callable[[Path], object], hello: Path, state: Path):
    arguments = ("--state-dir", str(state), "validate", str(hello))
    imported(ENGINE, *arguments)
    (found,) = (state / "cache").glob("*.world")
    spoil(found)
    assert told(*arguments) == ("1 deployment valid\n", "", 0)
    if not found.is_dir():
        assert imported(ENGINE, *arguments) == []


def told(*arguments: str) -> tuple[str, str, int]:
    """Return what a command that has to load the engine prints, and its exit code."""
    code = RUN.replace("run(%r)", "code = run(%r)") % ([*arguments], ENGINE) + "\nsys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    *lines, modules = done.stderr.splitlines()
    assert modules.split() == sorted(ENGINE)
    return done.stdout, "\n".join(lines), done.returncode


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_first_sentence_of_the_help(name: str):
    from orchestrator.cli.main import cli

    command = cli.get_command(None, name)
    assert command is not None
    first = " ".join((command.help or "").split("\n\n")[0].split())
    assert f"{COMMANDS[name].summary} ".startswith(first.partition(". ")[0].rstrip(".") + ". ")

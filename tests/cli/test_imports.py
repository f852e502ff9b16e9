"""A command imports what it needs and no more: that is what it takes to start."""

import subprocess
import sys

import pytest

from orchestrator.cli.commands import COMMANDS

HEAVY = {
    "git", "jsonschema", "starlette", "uvicorn", "wasmtime", "watchfiles", "yaml", "rocksdict", "httpx", "rich",
    "cbor2", "asyncio", "subprocess", "email", "ssl", "inspect", "typing_extensions", "hashlib",
}  # fmt: skip
NO_CLIENT = {"socket", "orchestrator.contract.documents"}
READS_MANIFESTS = {"starlette", "uvicorn", "httpx", "rich", "asyncio", "watchfiles"}
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
     ["top", "--once"]],
    ids=" ".join,
)  # fmt: skip
def test_what_asks_an_agent_imports_neither_the_engine_nor_what_reads_manifests(arguments: list[str], tmp_path):
    assert imported(HEAVY, "--state-dir", str(tmp_path), *arguments) == []


def test_what_reads_manifests_imports_no_server(tmp_path):
    assert imported(READS_MANIFESTS, "--state-dir", str(tmp_path / "state"), "validate", str(tmp_path)) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_first_sentence_of_the_help(name: str):
    from orchestrator.cli.main import cli

    command = cli.get_command(None, name)
    assert command is not None
    first = " ".join((command.help or "").split("\n\n")[0].split())
    assert f"{COMMANDS[name].summary} ".startswith(first.partition(". ")[0].rstrip(".") + ". ")

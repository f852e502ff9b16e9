"""What only asks an agent is quick to start: it loads neither the engine nor what reads manifests."""

import subprocess
import sys

import pytest

ASKING = ["act", "letters", "look", "session", "top", "topics", "trace"]
HEAVY = ["git", "jsonschema", "nacl", "starlette", "uvicorn", "wasmtime", "watchfiles", "yaml"]


@pytest.mark.parametrize("name", ASKING)
def test_a_command_that_asks_an_agent_loads_no_more_than_it_needs(name):
    code = f"import orchestrator.cli.{name}, sys; print(sorted({set(HEAVY)} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"

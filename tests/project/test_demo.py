"""`make demo`, as it is: it runs beside another one, notices when something is wrong, and always clears up."""

import gc
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys

import pytest

from orchestrator.client import AgentClient

from .tree import LIMIT_S, ROOT

DEMO = ROOT / "examples/demo.py"


@pytest.fixture
def begin(tmp_path):
    """Begin a demo whose private folder lies in `tmp_path/name`."""
    begun = []

    def start(name, script=DEMO):
        (tmp_path / name).mkdir()
        process = subprocess.Popen(
            [sys.executable, str(script)],
            env={**os.environ, "TMPDIR": str(tmp_path / name)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


@pytest.fixture(scope="module")
def demo():
    return runpy.run_path(str(DEMO))


@pytest.mark.slow
def test_two_at_once_show_everything_lose_nothing_and_leave_nothing(begin, tmp_path):
    for name, process in [(name, begin(name)) for name in ("one", "other")]:
        shown, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, shown
        counts = re.findall(r"^clients: (\d+) requests sent, (\d+) answered, 0 lost$", shown, re.MULTILINE)
        assert len(counts) == 2
        assert all(sent == answered != "0" for sent, answered in counts)
        commands = re.findall(r"^\$ airs (rollout status|\w+)", shown, re.MULTILINE)
        assert commands == [
            "validate", "plan", "apply", "request", "plan", "apply", "apply", "rollout status", "status",
            "history", "rollback", "request", "status",
        ]  # fmt: skip
        assert "\x1b" not in shown
        assert shown.splitlines()[-1].startswith("Next: ")
        assert os.listdir(tmp_path / name) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_half_way_it_leaves_neither_folder_nor_agent(begin, tmp_path, number):
    process = begin("stopped")
    for line in process.stdout:
        if line.startswith("$ airs request"):
            break
    (folder,) = (tmp_path / "stopped").iterdir()
    agents = [pid for pid in os.listdir("/proc") if pid.isdigit() and is_agent_of(folder, pid)]
    assert len(agents) == 1
    process.send_signal(number)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert os.listdir(tmp_path / "stopped") == []
    assert not is_agent_of(folder, agents[0])


def is_agent_of(folder, pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return False
    return b"agent" in words and any(word.startswith(bytes(folder)) for word in words)


def test_what_is_not_as_it_should_be_ends_it_with_1(begin, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    components = tmp_path / "examples/01-hello/components"
    shutil.copyfile(components / "hello-1.1.0/hello.wasm", components / "hello-1.0.0/hello.wasm")
    process = begin("wrong", tmp_path / "examples/demo.py")
    shown, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1, shown
    assert "Not as it should be: " in shown
    assert os.listdir(tmp_path / "wrong") == []


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # httpcore leaves the refused socket open
def test_a_request_that_nobody_answers_is_counted_as_lost(demo, tmp_path, capsys):
    tally = demo["Tally"]()
    tally.ask(AgentClient(tmp_path, None), "Ada")
    gc.collect()
    assert (tally.sent, tally.greeted.total(), tally.refused.total()) == (1, 0, 0)
    assert "Ada: the agent does not answer" in tally.trouble[0]
    load = demo["Load"](demo["Stage"](tmp_path / "stage"))
    load._tallies = [tally]
    with pytest.raises(demo["NotAsItShould"], match="lost"):
        load.report()
    assert "1 requests sent, 0 answered, 1 lost" in capsys.readouterr().out

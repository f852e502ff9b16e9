"""What guests and manifests say, on a terminal: a real one, as far as the command can tell."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .stage import LIMIT_S, ROOT, Stage

ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202e"
SHOWN = "\\x1b]0;owned\\x07\\x1b[2J\\x9b2J\\u202e"
HARM = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202e]")  # a terminal makes CR LF of a line break


def on_terminal(stage: Stage, *arguments: str, stderr: bool = False, code: int = 0) -> str:
    """Run a command whose stdout, or stderr, is a terminal, and return what that was sent."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orchestrator", "--state-dir", str(stage.state_dir), *arguments]
    streams = (
        {"stdout": subprocess.DEVNULL, "stderr": theirs} if stderr else {"stdout": theirs, "stderr": subprocess.DEVNULL}
    )
    env = os.environ | {"NO_COLOR": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env, **streams) as process:
        os.close(theirs)
        sent = b""
        try:
            while part := os.read(ours, 1 << 16):
                sent += part
        except OSError:  # nobody has the other end any more
            pass
        os.close(ours)
        assert process.wait(LIMIT_S) == code, (arguments, sent)
    return sent.decode()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "attack").write_text(ATTACK)
    return folder


def test_a_reply_reaches_a_terminal_readable_and_a_pipe_as_it_is(stage: Stage):
    stage.have("one", "faulty")
    shown = on_terminal(stage, "request", "one", f"echo {ATTACK}")
    assert shown == f"{SHOWN}\r\n"
    assert stage.run("request", "one", f"echo {ATTACK}").out == f"{ATTACK}\n"


def test_what_a_job_prints_reaches_a_terminal_readable_on_either_stream_and_a_pipe_as_it_is(stage: Stage):
    stage.have("one", "probe", job={"args": []})
    printing = ("run", "one", "--", "say", ATTACK, ";", "shout", ATTACK)
    assert on_terminal(stage, *printing) == f"{SHOWN}\r\n"
    assert on_terminal(stage, *printing, stderr=True) == f"{SHOWN}\r\n"
    ran = stage.run(*printing)
    assert (ran.out, ran.err) == (f"{ATTACK}\n", f"{ATTACK}\n")


def test_the_result_of_a_call_is_the_same_value_on_a_terminal_with_nothing_to_act_on(stage: Stage, data: Path):
    stage.have("one", "probe-calls", grants={"filesystem.read": [f"{data}/**"]})
    asking = ("call", "one", "do", json.dumps(f"cat {data}/attack"))
    shown = on_terminal(stage, *asking)
    assert not HARM.search(shown)
    assert json.loads(shown) == json.loads(stage.run(*asking).out) == ATTACK


def test_no_other_command_sends_a_terminal_what_others_wrote(stage: Stage, data: Path):
    grants = {"messaging.send": ["default/*"]}
    stage.have("one", "faulty", config={"said": ATTACK, "initialize": f"log {ATTACK}"}, grants=grants)
    stage.write("job", "probe", job={"args": ["say", ATTACK], "env": {"SAID": ATTACK}})
    stage.apply()
    stage.run("send", "one", f"err {ATTACK}")
    stage.run("request", "one", "--trace", f"send two {ATTACK}")
    looking = [
        ["status"], ["status", "one"], ["get", "deployments"], ["get", "dead-letters"], ["history", "one"],
        ["logs"], ["events"], ["-o", "json", "events"], ["-o", "json", "get", "deployments"], ["-o", "json", "logs"],
        ["-o", "json", "plan", str(stage.manifests)], ["trace", "--last", "1", "one"], ["top", "--once"],
    ]  # fmt: skip
    stage.write("one", "faulty", config={"said": ATTACK + "changed"}, grants=grants)
    for words in [*looking, ["plan", str(stage.manifests)]]:
        shown = on_terminal(stage, *words)
        assert shown, words
        assert not HARM.search(shown), (words, shown)


def test_errors_about_what_others_wrote_are_readable(stage: Stage):
    stage.write("one", "faulty", config={"said": "x"}, unknown={"a": ATTACK})
    (stage.manifests / "two.yaml").write_text(json.dumps({"kind": ATTACK, "apiVersion": ATTACK, ATTACK: ATTACK}))
    shown = on_terminal(stage, "validate", str(stage.manifests), stderr=True, code=65)
    assert "two.yaml" in shown
    assert not HARM.search(shown)

"""Everything works, slower, where wasmtime's values are not laid out as expected, or where `AIRS_CALLS` says so.

The other layout is real to airs: in each of its processes, the one it expects is another than the one it finds.
"""

import json
import os

import pytest

from orchestrator import interpreter
from orchestrator.contract.codes import FAILED, NO_AGENT

from .conftest import REPOSITORY, Airs, wait_until

OTHER_LAYOUT = "from orchestrator.runtime.engine import capi; capi.LAYOUT = (40, *capi.LAYOUT[1:])"
NO_EXTENSION = "import sys; sys.modules['orchestrator.runtime.engine._crossing'] = None"
OTHER_FUEL = "from orchestrator.runtime.engine import capi; capi._unlike.add('wasmtime_context_set_fuel')"


@pytest.fixture
def airs(airs: Airs) -> Airs:
    """A user in whose processes the layout of values is not the one that is expected."""
    customize(airs, OTHER_LAYOUT)
    return airs


def customize(user: Airs, code: str) -> None:
    """Have `code` run first in each process of a user."""
    (user.folder / "sitecustomize.py").write_text(code)
    user.env["PYTHONPATH"] = f"{user.folder}{os.pathsep}{REPOSITORY}"


@pytest.fixture
def asked(airs: Airs) -> Airs:
    """A user who asks for the stock path, with a wasmtime as expected."""
    airs.env["PYTHONPATH"] = str(REPOSITORY)
    airs.env["AIRS_CALLS"] = "stock"
    return airs


def fast_path(user: Airs) -> dict[str, str]:
    document = json.loads(user.run("doctor", "-o", "json").stdout)
    findings = {finding["about"]: finding for finding in document["engine"]}
    assert findings["trial"]["verdict"] == "ok", findings["trial"]
    return findings["fast path"]


def is_answered(user: Airs) -> None:
    user.run("apply", user.copy_example("01-hello") / "manifests")
    assert "Ada" in user.run("request", "hello", "Ada").stdout
    user.run("send", "hello", "Grace")
    wait_until(lambda: "greeting Grace" in user.run("logs", "hello").stdout)


def test_with_another_layout_a_message_is_answered_and_doctor_says_why_slower(airs: Airs):
    is_answered(airs)
    found = fast_path(airs)
    assert found["verdict"] == "warning"
    assert "off: the stock path runs" in found["summary"]
    assert "lays component values out as (32, " in found["detail"]
    assert "expected (40, " in found["detail"]
    assert found["suggestion"] == "Install the wasmtime that airs pins."
    about = json.loads(airs.run("agent", "status", "-o", "json").stdout)
    assert about["calls"] == "stock"
    assert about["whySlower"] == found["detail"]
    assert "calls      stock: wasmtime " in airs.run("agent", "status").stdout


def test_asked_for_a_message_is_answered_and_doctor_says_how_to_ask_no_longer(asked: Airs):
    is_answered(asked)
    found = fast_path(asked)
    assert (found["detail"], found["suggestion"]) == ("it was asked for", "Unset AIRS_CALLS.")
    assert json.loads(asked.run("agent", "status", "-o", "json").stdout)["calls"] == "stock"


def test_a_way_that_there_is_not_is_a_wrong_setting(asked: Airs):
    done = asked.run("doctor", check=False, env={"AIRS_CALLS": "quick"})
    assert done.returncode == 64
    assert "AIRS_CALLS is 'quick'" in done.stderr
    assert "native, fast, stock" in done.stderr


def test_a_wasmtime_under_which_no_limit_could_be_held_is_refused_in_words(airs: Airs):
    customize(airs, OTHER_FUEL)
    airs.copy_example("01-hello")
    for *command, code in (("plan", "01-hello/manifests", FAILED), ("agent", "start", NO_AGENT)):
        done = airs.run(*command, check=False)
        assert done.returncode == code
        assert "the installed wasmtime cannot be used" in done.stderr
        assert "wasmtime_context_set_fuel; install the wasmtime that airs pins" in done.stderr
        assert "Traceback" not in done.stderr


def test_without_the_extension_calls_go_by_ctypes_and_doctor_says_how_to_get_it(airs: Airs):
    customize(airs, NO_EXTENSION)
    is_answered(airs)
    found = fast_path(airs)
    assert found["verdict"] == "ok"
    assert "on, by ctypes" in found["summary"]
    assert "Python.h" in found["summary"]
    about = json.loads(airs.run("agent", "status", "-o", "json").stdout)
    assert (about["calls"], about["whySlower"]) == ("fast", found["detail"])
    ours = interpreter.found()
    assert about["python"] == {"version": ours.version, "optimised": ours.is_optimised, "costs": ours.costs}
    assert f"python     {ours}\n" in airs.run("agent", "status").stdout
    assert found["detail"].startswith("the extension is not built: ")


def test_requests_are_answered(asked: Airs):
    asked.run("apply", asked.copy_example("06-request-reply") / "manifests")
    for question in ("square 12", "nothing", "refuse"):
        asked.run("request", "desk", f"ask clerk {question}")
    told = "clerk replied 144\nclerk replied nothing\nclerk failed, runtime-error: not today\n"
    wait_until(lambda: asked.run("request", "desk", "answers").stdout.startswith(told))
    assert asked.run("request", "desk", "tell clerk,archive news").stdout == "told\n"


def test_up_serves_on_the_stock_path(airs: Airs):
    up = airs.background("up", airs.copy_example("01-hello") / "manifests")
    wait_until(lambda: airs.client().answers() and airs.phase() == "running")
    assert "Ada" in airs.run("request", "hello", "Ada").stdout
    assert up.end() == 0


def test_typed_calls_and_jobs_work_too(airs: Airs):
    airs.run("apply", airs.copy_example("03-calculator") / "manifests")
    assert json.loads(airs.run("call", "calculator", "add", "2", "3").stdout) == 5
    refused = airs.run("call", "calculator", "divide", "1", "0", check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    words = airs.folder / "words"
    words.mkdir()
    (words / "one.txt").write_text("the cat and the dog\n")
    manifest = airs.copy_example("07-job") / "manifests" / "wordcount.yaml"
    manifest.write_text(manifest.read_text().replace("/tmp/airs-words", str(words)))
    airs.run("apply", manifest)
    assert "the" in airs.run("run", "wordcount").stdout

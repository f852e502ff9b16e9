"""Ctrl-C before a command has begun and after it has ended: exit code 130, and not a word."""

import subprocess
import sys

import pytest

from orchestrator.contract.codes import INTERRUPTED

RUN = """
import atexit, os, signal, sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == %r:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
if not %r:
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
from orchestrator.cli.main import main
sys.argv = ["airs", "--version"] if not %r else ["airs", "schema"]
main()
"""


@pytest.mark.parametrize(
    "module",
    ["orchestrator.cli.frugal", "msgspec", "click", "orchestrator.cli.main", "orchestrator.cli.show",
     "orchestrator.cli.starting", ""],
    ids=lambda module: module or "at the end",
)  # fmt: skip
def test_ctrl_c_while_modules_are_imported_or_taken_down_ends_with_130(module: str):
    done = subprocess.run([sys.executable, "-c", RUN % (module, module, module)], capture_output=True, text=True)
    assert done.returncode == INTERRUPTED
    assert not done.stderr.strip()  # an empty line comes after the ^C of a terminal


LEAVE = """
import atexit, sys, threading
from orchestrator.cli.leaving import leave
atexit.register(print, "told at the end")
print("said", end="; ")
if %r:
    threading.Thread(target=lambda: (threading.main_thread().join(), print("waited for"))).start()
leave(3)
"""


@pytest.mark.parametrize(
    ("has_threads", "printed"),
    [(False, "said; told at the end\n"), (True, "said; waited for\ntold at the end\n")],
    ids=["alone", "with a thread at work"],
)
def test_a_process_that_leaves_has_printed_everything_and_keeps_its_exit_code(has_threads: bool, printed: str):
    done = subprocess.run([sys.executable, "-c", LEAVE % has_threads], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, printed, "")


LEFT = """
from orchestrator.cli.leaving import leave
class Left:
    def __del__(self):
        print("taken down")
left = Left()
leave(0)
"""
UNREAD = """
import os, sys
from orchestrator.cli.leaving import leave
reading, writing = os.pipe()
sys.stdout = os.fdopen(writing, "w")
print("nobody reads this")
os.close(reading)
leave(1)
"""


@pytest.mark.parametrize(("code", "status"), [(LEFT, 0), (UNREAD, 1)], ids=["takes nothing down", "nobody reads"])
def test_a_process_that_leaves_says_nothing_of_it(code: str, status: int):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")

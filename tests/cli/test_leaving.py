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

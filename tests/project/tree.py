"""What the tests of the project as a whole share: where it is, and a way to run its `airs`."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LIMIT_S = 120  # of everything that is waited for; reached only when something is broken


def run(*command, cwd=ROOT, limit_s=LIMIT_S, **env):
    """Run a command with the environment's `airs` on the path; stdout and stderr come as one text."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_s,
    )


def make(*arguments):
    """Run make as a person would: not as part of the make that may be running the tests."""
    inherited = dict.fromkeys(("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"), "")
    return run("make", *arguments, **inherited)

"""README.md holds: its commands are run in order on a copy of the repository, and its plan is one that was really made.

Real here: everything, the agent included. `…` in the shown output stands for anything.
"""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, fenced, marked

README = (ROOT / "README.md").read_text(encoding="utf-8")
LIMIT_S = 60
COPIED = ("examples", "manifests", "schemas", "wit")


def steps():
    """Return each command of the tour with the output shown below it."""
    lines = "".join(fenced(README, "console")).splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    ends = [*starts[1:], len(lines)]
    return [(lines[a][2:], "\n".join(lines[a + 1 : b]).strip()) for a, b in zip(starts, ends, strict=True)]


def agrees(shown, printed):
    """Whether the output is what is shown; trailing blanks of a line do not count."""
    pattern = ".*?".join(re.escape(part) for part in shown.split("…"))
    plain = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(pattern, plain, re.DOTALL) is not None


@pytest.fixture
def clone(tmp_path):
    """A copy of what the tour touches, in a git work tree of its own, with a private state directory."""
    folder = tmp_path / "airs"
    folder.mkdir()
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "AIRS_STATE_DIR": str(folder / ".airs"), "COLUMNS": "160"}
    yield lambda command: subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    subprocess.run(["airs", "agent", "stop"], env=environment, capture_output=True, timeout=LIMIT_S)


def test_the_tour_can_be_taken_and_shows_what_it_says(clone):
    for command, shown in steps():
        done = clone(command)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        assert agrees(shown, done.stdout), f"$ {command}\nshown:\n{shown}\nprinted:\n{done.stdout}"


def test_the_tour_takes_every_step_it_promises():
    commands = [command for command, _ in steps()]
    told = ("validate", "plan", "apply", "request", "history", "rollback", "status", "call", "init")
    assert [
        word for word in told if not any(c.startswith(f"airs {word} ") or c == f"airs {word}" for c in commands)
    ] == []


def test_the_plan_and_its_picture_are_what_airs_says(tmp_path, capsys):
    runpy.run_path(str(ROOT / "docs/make_plan_svg.py"))["main"](tmp_path)
    again = "run .venv/bin/python docs/make_plan_svg.py and copy its output into README.md"
    assert fenced(marked(README, "plan"), "text") == [capsys.readouterr().out], again
    assert (ROOT / "docs/plan.svg").read_bytes() == (tmp_path / "plan.svg").read_bytes(), again

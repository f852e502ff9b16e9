"""README.md holds: its commands are run in order on a copy of the repository, and its picture is of a plan really made.

Real here: everything, the agent included. `…` in the shown output stands for anything.
"""

import re
import runpy

from tests.docs.documents import ROOT, fenced, marked
from tests.docs.tour import steps, take

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tour_can_be_taken_and_shows_what_it_says(clone):
    take(README, clone)


def test_the_tour_takes_every_step_it_promises():
    commands = [command for command, _, _ in steps(README)]
    told = ("validate", "plan", "apply", "request", "history", "rollback", "status", "call", "init")
    assert [
        word for word in told if not any(c.startswith(f"airs {word} ") or c == f"airs {word}" for c in commands)
    ] == []


def test_it_says_what_is_not_there_before_how_fast_it_is():
    assert re.findall("^## (.*)$", README, re.M)[-4:] == [
        "Not yet",
        "How fast",
        "How it compares",
        "Documents",
    ]


def test_the_plan_and_its_picture_are_what_airs_says(tmp_path, capsys):
    runpy.run_path(str(ROOT / "docs/make_plan_svg.py"))["main"](tmp_path)
    again = "run .venv/bin/python docs/make_plan_svg.py and copy its output into docs/cli.md"
    cli = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    assert fenced(marked(cli, "plan"), "text") == [capsys.readouterr().out], again
    assert (ROOT / "docs/plan.svg").read_bytes() == (tmp_path / "plan.svg").read_bytes(), again

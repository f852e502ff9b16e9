"""The commands that the examples' READMEs show are run, in order, on a copy of the repository with an agent of its own.

A command exits 0, unless the line after it says `# exits N`.
"""

import re
import shutil

import pytest

from .tree import ROOT, run

TAKEN = {"05-supervision", "10-registry"}  # by tests/docs, with what they show, and tests/e2e, with a registry
READMES = [path for path in sorted((ROOT / "examples").glob("*/README.md")) if path.parent.name not in TAKEN]
COMMAND = re.compile(r"^\$ (.+)\n(?:# exits (\d+)\n)?", re.MULTILINE)


def commands(readme):
    blocks = re.findall(r"^```console\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [(command, int(code or 0)) for block in blocks for command, code in COMMAND.findall(block)]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_the_commands_of_an_examples_readme_work(readme, tmp_path):
    clone = tmp_path / "airs"
    shutil.copytree(ROOT / "examples", clone / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    state = {"AIRS_STATE_DIR": str(tmp_path / "state")}
    shown = commands(readme)
    assert any(command.startswith("airs apply ") for command, _ in shown)
    try:
        for command, code in shown:
            if command.startswith("export "):
                name, _, written = command.removeprefix("export ").partition("=")
                state[name] = run("bash", "-c", f"printf %s {written}", cwd=clone).stdout
                continue
            done = run("bash", "-c", command, cwd=clone, **state)
            assert done.returncode == code, f"$ {command}\n{done.stdout}"
    finally:
        run("airs", "agent", "stop", **state)

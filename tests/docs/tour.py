"""Documents that are run: their commands in order, what each shows and how it ends, on a copy of the repository.

`…` in what is shown stands for anything. A command exits 0, unless the line after it says `# exits N`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.documents import ROOT, fenced

LIMIT_S = 60
COPIED = ("examples", "manifests", "schemas", "wit")


def steps(document):
    """Return each command of a document with its exit code and the output shown below it."""
    lines = "".join(fenced(document, "console")).splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    ends = [*starts[1:], len(lines)]
    return [step(lines[a:b]) for a, b in zip(starts, ends, strict=True)]


def step(lines):
    code = re.fullmatch(r"# exits (\d+)", lines[1]) if len(lines) > 1 else None
    return lines[0][2:], int(code[1]) if code else 0, "\n".join(lines[2 if code else 1 :]).strip()


def agrees(shown, printed):
    """Whether the output is what is shown; trailing blanks of a line do not count."""
    pattern = ".*?".join(re.escape(part) for part in shown.split("…"))
    plain = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(pattern, plain, re.DOTALL) is not None


def take(document, run):
    """Run every command of a document and compare; `run` takes a command's line."""
    for command, code, shown in steps(document):
        done = run(command)
        assert done.returncode == code, f"$ {command}\n{done.stdout}"
        assert agrees(shown, done.stdout), f"$ {command}\nshown:\n{shown}\nprinted:\n{done.stdout}"


def clone_in(folder):
    """Copy what a tour touches into a git work tree; yields what runs a command there, and ends the agent."""
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

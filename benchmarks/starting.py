"""The time of a command of airs from start to end, beside `python -c pass`: a person or a script waits for it.

Commands and bare Python take turns, each a process of its own, with an agent and one deployment running. Files are read
and the code is compiled before: the first run of each is not counted.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.measure import Effort, Row, Table, race
from benchmarks.stage import HELLO, ROOT

ROUNDS = 41
BARE = "python -c pass"
MANIFESTS = "MANIFESTS"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "version": ("--version",),
    "help": ("--help",),
    "status": ("status",),
    "agent": ("agent", "status"),
    "get": ("get", "deployments"),
    "request": ("request", "hello", "Ada"),
    "validate": ("validate", MANIFESTS),
    "plan": ("plan", MANIFESTS),
}
NOTES = (
    "Each is a whole process: the interpreter, imports, the agent's answer, what is printed. Most is imports.",
    "`validate` and `plan` read 01-hello, whose component was inspected before, so that neither loads wasmtime.",
)


def measure(effort: Effort) -> Table:
    """Measure every command beside bare Python."""
    with _served() as environment:
        manifests = Path(environment["HOME"], "manifests")
        contenders = {
            name: partial(_run, environment, *(str(manifests) if part == MANIFESTS else part for part in arguments))
            for name, arguments in COMMANDS.items()
        }
        times = race({BARE: partial(_python, environment, "-c", "pass"), **contenders}, _effort(effort))
    rows = tuple(Row(f"airs {' '.join(said)}", times[name], BARE, times[BARE]) for name, said in COMMANDS.items())
    figures = {f"start-{name}/python": times.ratio(name, BARE) for name in COMMANDS}
    return Table("Starting: a command from its start to its end", rows, NOTES, figures)


def _effort(effort: Effort) -> Effort:
    return Effort(rounds=effort.few(ROUNDS), slice_s=0.0)


@contextmanager
def _served() -> Iterator[dict[str, str]]:
    """Apply a copy of 01-hello in a folder of its own; yields the environment of its commands."""
    folder = Path(tempfile.mkdtemp(prefix="airs-bench-"))
    for part in ("manifests", "components"):
        shutil.copytree(HELLO / part, folder / part)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
        "AIRS_STATE_DIR": str(folder / "state"),
    }  # fmt: skip
    try:
        _run(environment, "apply", str(folder / "manifests"))
        for arguments in COMMANDS.values():
            _run(environment, *(str(folder / "manifests") if part == MANIFESTS else part for part in arguments))
        yield environment
    finally:
        _run(environment, "agent", "stop")
        shutil.rmtree(folder)


def _run(environment: dict[str, str], *arguments: str) -> None:
    _python(environment, "-m", "orchestrator", *arguments)


def _python(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)

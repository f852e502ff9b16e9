"""Describes the machine that a benchmark runs on, and how much of it others had meanwhile.

`run` calls it, and writes it beside what was measured. It knows nothing of what that is.
"""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers, plugin
from orchestrator import interpreter
from orchestrator.model.calls import Calls
from orchestrator.runtime import chosen

VERSIONS = ("wasmtime", "rocksdict", "msgspec", "pyyaml")
STAT = Path("/proc/stat")
IDLE, STEAL, COUNTED = (3, 4), 7, 8  # of the columns of /proc/stat, which counts guests' time twice


class Used(NamedTuple):
    """Seconds of processor time since the system began: all, this process's, and what a hypervisor withheld."""

    at_s: float
    all_s: float
    own_s: float
    withheld_s: float


def described() -> tuple[str, ...]:
    """Describe what was measured on, a line each."""
    path = chosen(calls_asked_for())
    packages = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    beside = {"extism": plugin.version(), **{name: peers.version(name) for name in peers.PACKAGES}}
    packages += "".join(f", {name} {version}" for name, version in beside.items() if version is not None)
    return (
        f"{_processor()}, {os.cpu_count()} cores",
        f"{platform.system()} {platform.release()}, {platform.python_implementation()} {interpreter.found()}",
        f"airs {version('airs-orchestrator')}, {packages}",
        f"calls go the {path.calls.value} path{f', as {path.why}' if path.why else ''}",
    )


def calls_asked_for() -> Calls:
    """Return the way that calls are to take, which AIRS_CALLS names."""
    return Calls(os.environ.get("AIRS_CALLS") or Calls.NATIVE.value)


def announced() -> str:
    """Return the two lines of that which differ between environments: how Python was built, and the path of calls."""
    return "\n".join(described()[1::2])


def used() -> Used | None:
    """Read what has been used by now; None where the system does not tell."""
    try:
        line = STAT.read_text().splitlines()[0]
    except OSError:
        return None
    ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in line.split()[1 : 1 + COUNTED]]
    own = os.times()
    busy_s = sum(ticks) - sum(ticks[column] for column in IDLE) - ticks[STEAL]
    return Used(time.monotonic(), busy_s, sum(own[:4]), ticks[STEAL])


def others(since: Used | None, now: Used | None) -> str:
    """Say how much of one core others used in between, and how much was withheld; unreaped children are others."""
    if since is None or now is None:
        return "what this system does not tell"
    wall_s = max(now.at_s - since.at_s, 1e-9)
    theirs_s = max(now.all_s - since.all_s - (now.own_s - since.own_s), 0.0)
    withheld_s = now.withheld_s - since.withheld_s
    return f"{theirs_s / wall_s:.0%} of one core; the hypervisor withheld {withheld_s / wall_s:.0%}"


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

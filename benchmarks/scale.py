"""The cost of many deployments beside that of a hundred: from apply to Ready, at rest, and for one changed number.

    python -m benchmarks.scale                           100 and 1 000
    python -m benchmarks.scale --sizes 100 1000 10000    about ten minutes; --write for docs/draw_scale.py
    python -m benchmarks.scale --sizes 1000 --components 1000
    python -m benchmarks.scale --asked                   with guests whose health() looks at something

Everything goes through the command line and an agent of its own: a manifest a file, ten components. It is no table of
`make bench`: nothing stands beside it but its own smaller sizes. The ratios say whether cost follows what changed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import machine
from benchmarks.stage import EXAMPLES, HELLO, ROOT, wait_until
from orchestrator.client import AgentClient
from orchestrator.model.ids import DeploymentKey

COMPONENTS = 10
NOT_ASKED = HELLO / "components" / "hello-1.0.0"  # its `health()` is a constant
ASKED = EXAMPLES / "05-supervision" / "components" / "worker-1.0.0"
IDLE_S = 10.0
QUIET_S = 8.0  # after which the agent has given memory back
SETTLED_S = 2.5  # after which a file's times tell whether it is another
TIMEOUT = "30m"
ASK_EVERY_S = 0.002
LIMIT_S = 600.0
RESULTS = ROOT / "benchmarks" / "scale.json"
CHANGED = DeploymentKey(namespace="default", name="d0")


class Taken(NamedTuple):
    """The cost of so many deployments; memory is the agent's beyond what it has without any."""

    size: int
    ready_s: float
    idle_share: float  # of a core
    plan_s: float  # of one changed number, by an agent that has planned the folder before
    change_s: float
    saved_s: float  # from a number saved in a watched folder to its being in force
    memory_kib: float

    def line(self, least: "Taken") -> str:
        """Write it beside the smallest size."""
        each_ms, beside_ms = self.ready_s * 1000 / self.size, least.ready_s * 1000 / least.size
        return (
            f"{self.size:>7,}  {self.ready_s:>8.1f} s  {each_ms:>7.1f} ms  {each_ms / beside_ms:>5.2f}x"
            f"  {self.idle_share:>6.1%}  {_beside(self.plan_s, least.plan_s)}  {_beside(self.change_s, least.change_s)}"
            f"  {_beside(self.saved_s, least.saved_s)}  {self.memory_kib / self.size:>7.1f} KiB"
        )


COLUMNS = (
    "      N", "  to Ready", "       each", "ratio ", "  idle", "     plan", " ratio", "    apply", " ratio",
    "    saved", " ratio", "memory each",
)  # fmt: skip


def _beside(seconds: float, least_s: float) -> str:
    return f"{seconds:>7.2f} s  {seconds / least_s:>5.2f}x"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the sizes that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1_000], metavar="N")
    parser.add_argument("--components", type=int, default=COMPONENTS, metavar="N", help="how many distinct ones")
    parser.add_argument("--asked", action="store_true", help="of guests that have to be asked how they are")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    given, since = parser.parse_args(arguments), machine.used()
    taken: list[Taken] = []
    print(machine.announced(), file=sys.stderr)
    print("  ".join(COLUMNS), flush=True)
    for size in given.sizes:
        taken.append(measure(size, given.components, ASKED if given.asked else NOT_ASKED))
        print(taken[-1].line(taken[0]), flush=True)
    if given.write:
        others = machine.others(since, machine.used())
        about = {"date": time.strftime("%Y-%m-%d"), "machine": machine.described(), "others": others}
        text = json.dumps({**about, "taken": [one._asdict() for one in taken]}, indent=1)
        RESULTS.write_text(text + "\n", encoding="utf-8")


def measure(size: int, components: int = COMPONENTS, component: Path = NOT_ASKED) -> Taken:
    """Apply so many deployments, leave them alone, then change one number of one of them: applied, and watched."""
    with _folder(size, components, component) as folder:
        manifests, first = folder / "manifests", folder / "manifests" / "d0.yaml"
        _airs(folder, "agent", "start")
        try:
            pid = json.loads(_airs(folder, "-o", "json", "agent", "status"))["pid"]
            empty_kib = resident_kib(pid)
            ready_s = _seconds(folder, "apply", str(manifests), "--timeout", TIMEOUT)
            idle_share = _share(pid, IDLE_S)
            _airs(folder, "plan", str(manifests))  # so that the agent has read the folder: that takes it once
            time.sleep(SETTLED_S)
            _write(first, 0, replicas=2)
            plan_s = _seconds(folder, "plan", str(manifests))
            change_s = _seconds(folder, "apply", str(manifests), "--timeout", TIMEOUT)
            time.sleep(QUIET_S)
            memory_kib = resident_kib(pid) - empty_kib
            saved_s = _saved_s(folder, first)
            return Taken(size, ready_s, idle_share, plan_s, change_s, saved_s, memory_kib)
        finally:
            _airs(folder, "agent", "stop")


def _saved_s(folder: Path, first: Path) -> float:
    """Have the folder watched, save a number, and wait until it is in force; the second of two times."""
    _airs(folder, "source", "add", str(folder / "manifests"))
    took_s = 0.0
    with AgentClient(folder / "state", None) as client:
        wait_until(lambda: client.deployment(CHANGED).sync == "synced", LIMIT_S)
        for replicas in (3, 2):
            time.sleep(SETTLED_S)
            began = time.perf_counter()
            _write(first, 0, replicas)
            wait_until(partial(_wants, client, replicas), LIMIT_S, ASK_EVERY_S)
            took_s = time.perf_counter() - began
    return took_s


def _wants(client: AgentClient, replicas: int) -> bool:
    return client.deployment(CHANGED).replicas == replicas


@contextmanager
def _folder(size: int, components: int = COMPONENTS, component: Path = NOT_ASKED) -> Iterator[Path]:
    with made_components(components, component) as folder:
        (folder / "manifests").mkdir()
        for number in range(size):
            _write(folder / "manifests" / f"d{number}.yaml", number % components)
        yield folder


@contextmanager
def made_components(components: int, component: Path = NOT_ASKED) -> Iterator[Path]:
    """Make a folder with so many distinct components below `components`."""
    folder = Path(tempfile.mkdtemp(prefix="airs-bench-"))
    try:
        for number in range(components):
            there = folder / "components" / str(number)
            shutil.copytree(component, there)
            (wasm,) = there.glob("*.wasm")
            custom = b"\0\5\1n" + number.to_bytes(3, "big")  # a section that makes it another digest
            wasm.write_bytes(wasm.read_bytes() + custom)
        yield folder
    finally:
        shutil.rmtree(folder)


def _write(path: Path, component: int, replicas: int = 1) -> None:
    path.write_text(
        f"apiVersion: airs.dev/v1\nkind: Deployment\nmetadata: {{name: {path.stem}}}\n"
        f"spec:\n  component: {{path: ../components/{component}}}\n  replicas: {replicas}\n"
    )


def _airs(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "orchestrator", "--state-dir", str(folder / "state"), *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def _seconds(folder: Path, *arguments: str) -> float:
    began = time.perf_counter()
    _airs(folder, *arguments)
    return time.perf_counter() - began


def _share(pid: int, seconds: float) -> float:
    before, began = _cpu_s(pid), time.perf_counter()
    time.sleep(seconds)
    return (_cpu_s(pid) - before) / (time.perf_counter() - began)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> float:
    """Return how much memory of a process is resident."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return float(line.split()[1])


if __name__ == "__main__":
    main()

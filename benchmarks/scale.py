"""The cost of many deployments beside that of a hundred: from apply to Ready, at rest, and for one changed number.

    python -m benchmarks.scale                           100 and 1 000
    python -m benchmarks.scale --sizes 100 1000 10000    about ten minutes

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
from pathlib import Path
from typing import NamedTuple

from benchmarks.stage import HELLO, ROOT

COMPONENTS = 10
IDLE_S = 10.0
TIMEOUT = "30m"


class Taken(NamedTuple):
    """The cost of so many deployments; memory is the agent's, all of it."""

    size: int
    ready_s: float
    idle_share: float  # of a core
    change_s: float
    memory_kib: float

    def line(self, least: "Taken") -> str:
        """Write it beside the smallest size."""
        each_ms, beside_ms = self.ready_s * 1000 / self.size, least.ready_s * 1000 / least.size
        return (
            f"{self.size:>7,}  {self.ready_s:>8.1f} s  {each_ms:>7.1f} ms  {each_ms / beside_ms:>5.2f}x"
            f"  {self.idle_share:>6.1%}  {self.change_s:>7.2f} s  {self.change_s / least.change_s:>6.2f}x"
            f"  {self.memory_kib / self.size:>8.1f} KiB"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the sizes that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1_000], metavar="N")
    taken: list[Taken] = []
    print("      N     to Ready        each   ratio    idle    change   ratio  memory each", flush=True)
    for size in parser.parse_args(arguments).sizes:
        taken.append(measure(size))
        print(taken[-1].line(taken[0]), flush=True)


def measure(size: int) -> Taken:
    """Apply so many deployments, leave them alone, then change one number of one of them."""
    with _folder(size) as folder:
        manifests = folder / "manifests"
        try:
            ready_s = _seconds(folder, "apply", str(manifests), "--timeout", TIMEOUT)
            pid = json.loads(_airs(folder, "-o", "json", "agent", "status"))["pid"]
            idle_share = _share(pid, IDLE_S)
            _write(manifests / "d0.yaml", 0, replicas=2)
            change_s = _seconds(folder, "apply", str(manifests), "--timeout", TIMEOUT)
            return Taken(size, ready_s, idle_share, change_s, _memory_kib(pid))
        finally:
            _airs(folder, "agent", "stop")


@contextmanager
def _folder(size: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="airs-bench-"))
    try:
        for number in range(COMPONENTS):
            there = folder / "components" / f"hello-{number}"
            shutil.copytree(HELLO / "components" / "hello-1.0.0", there)
            toml = there / "Component.toml"
            toml.write_text(toml.read_text().replace('version = "1.0.0"', f'version = "1.0.{number}"'))
            wasm = there / "hello.wasm"
            wasm.write_bytes(wasm.read_bytes() + bytes((0, 3, 1, ord("n"), number)))  # another digest
        (folder / "manifests").mkdir()
        for number in range(size):
            _write(folder / "manifests" / f"d{number}.yaml", number)
        yield folder
    finally:
        shutil.rmtree(folder)


def _write(path: Path, number: int, replicas: int = 1) -> None:
    component = f"../components/hello-{number % COMPONENTS}"
    path.write_text(
        f"apiVersion: airs.dev/v1\nkind: Deployment\nmetadata: {{name: d{number}}}\n"
        f"spec:\n  component: {{path: {component}}}\n  replicas: {replicas}\n"
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


def _memory_kib(pid: int) -> float:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return float(line.split()[1])


if __name__ == "__main__":
    main()

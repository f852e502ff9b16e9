"""From a file saved to the new version serving: a real `airs up` process, asked until its answer changes.

Each round is a new folder, a new state directory and a new process, so that nothing of the new version was compiled or
kept before. Stock wasmtime-py does what cannot be left out: compile the new component and make an instance of it.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import stock
from benchmarks.measure import Effort, Row, Table, timed
from benchmarks.stage import HELLO, LIMIT_S, ROOT, wait_until
from orchestrator.client import AgentClient
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import DeploymentKey

ROUNDS = 7
KEY = DeploymentKey("default", "hello")
OLD, NEW = b"Hello, Ada!", b"Good day, Ada! (hello 1.1.0)"
ASK_EVERY_S = 0.001
NOTES = (
    "Blue-green with two instances: noticed, read twice (a folder may be half-written), planned, recorded on the disk, "
    "compiled, started, health asked, switched. Asked every millisecond over the agent's socket.",
    "`back` is the manifest edited back while the old version is still warm.",
)


def measure(effort: Effort) -> Table:
    """Measure the update of 01-hello from 1.0.0 to 1.1.0, by its manifest and by its wasm file, and the way back."""
    took: dict[str, list[float]] = {"manifest": [], "wasm": [], "back": [], "stock": []}
    new = HELLO / "components" / "hello-1.1.0" / "hello.wasm"
    for _ in range(effort.few(ROUNDS)):
        with _up() as folder:
            took["manifest"].append(_seconds(folder, partial(_point_at, folder, "hello-1.1.0"), NEW))
            took["back"].append(_seconds(folder, partial(_point_at, folder, "hello-1.0.0"), OLD))
        with _up() as folder:
            wasm = folder / "components" / "hello-1.0.0" / "hello.wasm"
            took["wasm"].append(_seconds(folder, partial(shutil.copyfile, new, wasm), NEW))
        took["stock"].append(timed(partial(_start_stock, stock.StockEngine(), new.read_bytes())))
    median = {name: statistics.median(times) for name, times in took.items()}
    beside = f"{stock.NAME}: compile and start one"
    rows = (
        Row("manifest edited, new version answers", median["manifest"], beside, median["stock"]),
        Row("wasm file rebuilt, new version answers", median["wasm"], beside, median["stock"]),
        Row("manifest edited back, old version answers", median["back"]),
    )
    return Table("Reconcile: from a file saved to the new version serving", rows, NOTES)


def _start_stock(plain: stock.StockEngine, data: bytes) -> stock.StockGuest:
    return plain.start(plain.compile(data))


@contextmanager
def _up() -> Iterator[Path]:
    """Run `airs up` on a copy of 01-hello; the old version serves when the block begins."""
    folder = Path(tempfile.mkdtemp(prefix="airs-bench-"))
    for part in ("manifests", "components"):
        shutil.copytree(HELLO / part, folder / part)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "orchestrator", "--state-dir", str(folder / "state"), "up"]
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen([*command, str(folder / "manifests")], env=environment, stdout=log, stderr=log)
    try:
        _wait_for_rest(folder)
        yield folder
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)
        shutil.rmtree(folder)


def _wait_for_rest(folder: Path) -> None:
    """Wait until the old version serves and everything written so far is old enough to be told from a new change."""
    client = _client(folder)
    wait_until(client.answers)
    try:
        wait_until(lambda: _answer(client) == OLD)
        wait_until(lambda: client.deployment(KEY).phase == "running")
        time.sleep(0.3)
    finally:
        client.close()


def _seconds(folder: Path, save: Callable[[], object], wanted: bytes) -> float:
    client = _client(folder)
    try:
        _answer(client)
        began = time.perf_counter()
        save()
        wait_until(lambda: _answer(client) == wanted, every_s=ASK_EVERY_S)
        return time.perf_counter() - began
    finally:
        client.close()


def _client(folder: Path) -> AgentClient:
    return AgentClient(folder / "state", None)


def _answer(client: AgentClient) -> bytes | None:
    try:
        return client.request(KEY, b"Ada", None, 10.0)
    except Failure:  # not there yet
        return None


def _point_at(folder: Path, component: str) -> None:
    manifest = {
        "apiVersion": "airs.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "hello"},
        "spec": {"component": {"path": f"../components/{component}"}, "replicas": 2},
    }
    (folder / "manifests" / "hello.yaml").write_text(json.dumps(manifest))

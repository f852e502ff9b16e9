"""Planning: from a folder of manifests to a plan, split into reading, resolving and comparing; and loading documents.

Every file is real: one thousand (and ten thousand) deployments of ten components, ten documents a file. The observed
state is one Ready instance of each, as recorded before the change.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.measure import Effort, Row, Table, race, timed
from benchmarks.stage import HELLO, folder_source, read
from orchestrator.manifest import resolve
from orchestrator.manifest.documents import read_documents
from orchestrator.model.desired import DesiredState, Permissions, Resolution
from orchestrator.model.message import Health
from orchestrator.model.observed import ObservedDeployment, ObservedInstance, ObservedState, Phase, Record
from orchestrator.model.snapshot import Snapshot
from orchestrator.model.spec import Deployment
from orchestrator.plan.document import Plan
from orchestrator.plan.make import make_plan
from orchestrator.runtime import Runtime
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.open import Source

COMPONENTS = 10
PER_FILE = 10
SIZES = (1_000, 10_000)
DOCUMENTS = 5_000
ROUNDS = 5
CSAFE = "yaml.CSafeLoader on the same bytes"
NOTES = (
    "`cold` is a new process's first pass: files, YAML, ten components compiled to be inspected, resolve, compare. "
    "`warm` is a later pass of one that watches: files read again, artifacts known.",
    "A plan of what is unchanged holds no action; changed means another `config` for every deployment.",
    "CSafeLoader builds Python objects without places, limits, duplicate or schema checks.",
)


def measure(effort: Effort) -> Table:
    """Measure both sizes, and the loading of documents by itself."""
    rows: list[Row] = []
    for size in SIZES:
        rows += _planning(effort.few(size), effort.few(ROUNDS if size == SIZES[0] else 3))
    return Table("Plan", (*rows, *_documents(effort.few(DOCUMENTS), effort.few(ROUNDS))), NOTES)


def _planning(count: int, rounds: int) -> list[Row]:
    with _folder(count) as folder:
        bytes_of_all = b"".join(path.read_bytes() for path in sorted(folder.glob("*.yaml")))
        runtime = Runtime(None)
        source = folder_source(folder, ArtifactCache(runtime.inspect))
        cold_read_s = timed(source.read)
        snapshot = read(source)
        wanted = _resolved(snapshot)
        observed = _observed(wanted.desired)
        unchanged = {
            "read": source.read,
            "resolve": lambda: _resolved(snapshot),
            "plan": lambda: _planned(wanted, observed, 0),
            "csafe": lambda: list(yaml.load_all(bytes_of_all, yaml.CSafeLoader)),
        }
        took = race(unchanged, Effort(rounds, slice_s=0.0))
        changed = _changed(folder, count, source)
        took |= race({"changed": lambda: _planned(changed, observed, count)}, Effort(rounds, slice_s=0.0))
        runtime.close()
    return _planning_rows(count, cold_read_s, took)


def _planning_rows(count: int, cold_read_s: float, took: dict[str, float]) -> list[Row]:
    read_s, csafe_s, decide_s = took["read"], took["csafe"], took["resolve"] + took["plan"]
    of = f"{count:,} deployments".replace(",", " ")
    return [
        Row(f"{of}: read, cold", cold_read_s),
        Row(f"{of}: read, warm", read_s),
        Row(f"{of}: resolve", took["resolve"], CSAFE, csafe_s),
        Row(f"{of}: plan, nothing changed", took["plan"]),
        Row(f"{of}: plan, all changed", took["changed"]),
        Row(f"{of}: read, resolve and plan, cold", cold_read_s + decide_s, CSAFE, csafe_s),
        Row(f"{of}: read, resolve and plan, warm", read_s + decide_s, CSAFE, csafe_s),
    ]


def _documents(count: int, rounds: int) -> list[Row]:
    data = "\n---\n".join(_document(number, "same") for number in range(count)).encode()
    documents = read_documents(data)
    assert len(documents.documents) == count
    assert not documents.problems
    took = race(
        {
            "airs": lambda: read_documents(data),
            "beside": lambda: list(yaml.load_all(data, yaml.CSafeLoader)),
        },
        Effort(rounds, slice_s=0.0),
    )
    return [Row(f"{count:,} documents loaded".replace(",", " "), took["airs"], CSAFE, took["beside"])]


@contextmanager
def _folder(count: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="airs-bench-"))
    try:
        for number in range(COMPONENTS):
            _write_component(folder / f"component-{number}", number)
        _write_manifests(folder, count, "same")
        yield folder
    finally:
        shutil.rmtree(folder)


def _write_component(folder: Path, number: int) -> None:
    shutil.copytree(HELLO / "components" / "hello-1.0.0", folder)
    wasm = folder / "hello.wasm"
    wasm.write_bytes(wasm.read_bytes() + bytes((0, 3, 1, ord("n"), number)))  # a custom section: another digest


def _write_manifests(folder: Path, count: int, config: str) -> None:
    for first in range(0, count, PER_FILE):
        numbers = range(first, min(first + PER_FILE, count))
        (folder / f"{first:06}.yaml").write_text("\n---\n".join(_document(number, config) for number in numbers))


def _document(number: int, config: str) -> str:
    return f"""\
# yaml-language-server: $schema=../schemas/deployment.schema.json
apiVersion: airs.dev/v1
kind: Deployment
metadata:
  name: app-{number}
  labels: {{team: core, tier: "{number % 3}"}}
spec:
  component:
    path: component-{number % COMPONENTS}
  replicas: 2
  config:
    greeting: {config}
    number: {number}
  rollout:
    strategy: blue-green
    keepPrevious: 5m
"""


def _changed(folder: Path, count: int, source: Source) -> Resolution:
    _write_manifests(folder, count, "another")
    return _resolved(read(source))


def _resolved(snapshot: Snapshot) -> Resolution:
    resolution = resolve(snapshot, (), Permissions())
    assert not any(each.is_error for each in resolution.diagnostics), resolution.diagnostics[0]
    return resolution


def _planned(resolution: Resolution, observed: ObservedState, actions: int) -> Plan:
    plan = make_plan(resolution.desired, observed, resolution.diagnostics)
    assert len(plan.actions) == actions, (len(plan.actions), actions)
    return plan


def _observed(desired: DesiredState) -> ObservedState:
    deployments = tuple(_running(deployment, desired.source) for deployment in desired.deployments)
    return ObservedState(lineage="benchmark", serial=1, deployments=deployments, agent_running=True)


def _running(deployment: Deployment, source: str) -> ObservedDeployment:
    record = Record(key=deployment.key, source=source, generation=1, wanted=deployment, stable=deployment)
    instances = tuple(
        ObservedInstance(
            name=f"{deployment.revision.id[:6]}-{number}",
            revision=deployment.revision.id,
            phase=Phase.RUNNING,
            ready=True,
            health=Health.HEALTHY,
        )
        for number in range(deployment.replicas)
    )
    return ObservedDeployment(record=record, instances=instances)

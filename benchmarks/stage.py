"""A whole agent in this process, without its socket: real store, runtime, controller, router, in a folder of its own.

The benchmarks of calls and of storage use it. Deployments come from manifests, as everything does.
"""

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import calls_asked_for
from orchestrator.agent.assembly import Agent
from orchestrator.agent.process import SWITCH_S
from orchestrator.agent.trouble import Trouble
from orchestrator.host.context import GuestContext
from orchestrator.manifest import references, resolve
from orchestrator.messaging.endings import RequestCounters
from orchestrator.model.desired import DesiredState, Permissions
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Message, Outcome, Replied
from orchestrator.model.observed import ObservedInstance
from orchestrator.model.snapshot import Known, Snapshot
from orchestrator.model.who import By, Peer
from orchestrator.plan.make import make_plan
from orchestrator.runtime import Direct, Guest
from orchestrator.runtime.call.finish import finish
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.open import Source, open_source
from orchestrator.source.spec import parse_source
from orchestrator.store.state_dir import StateDir

ROOT = Path(__file__).resolve().parent.parent
FAULTY = ROOT / "tests" / "components" / "faulty"
EXAMPLES = ROOT / "examples"
HELLO = EXAMPLES / "01-hello"
GUEST = ROOT / "benchmarks" / "guest"
CLIENT = ComponentId("airs", "client")
BY = By(peer=Peer(uid=0, user="root"))
GRANTS = "{storage.read: [self], storage.write: [self]}"
STALE = 409  # a plan made before something else changed
LIMIT_S = 60.0  # for anything that is waited for; reached only when something is broken


class Stage:
    """A running agent, and the guests that were started on it."""

    def __init__(self, agent: Agent, folder: Path) -> None:
        self.agent, self.folder = agent, folder
        self.started: dict[DeploymentKey, Direct] = {}

    def deploy(self, name: str, component: Path, spec: str = "") -> DeploymentKey:
        """Deploy one instance of a component's folder and wait until it is ready."""
        (key,) = self.deploy_many([name], component, spec)
        return key

    def deploy_many(self, names: Sequence[str], component: Path, spec: str = "") -> list[DeploymentKey]:
        """Deploy a component's folder under each of these names, and wait until all are ready."""
        target = self.folder / "manifests" / names[0]
        shutil.copytree(component, target)
        lines = f"spec:\n  component: {{path: {target.name}}}{spec}"
        for name in names:
            document = f"apiVersion: airs.dev/v1\nkind: Deployment\nmetadata: {{name: {name}}}\n{lines}\n"
            (target.parent / f"{name}.yaml").write_text(document)
        snapshot = read(folder_source(target.parent, ArtifactCache(self.agent.runtime.inspect)))
        self.agent.guests.keep(snapshot)
        resolution = resolve(snapshot, (), Permissions())
        wrong = [one for one in resolution.diagnostics if one.is_error]
        assert not wrong, wrong
        wait_until(lambda: self._is_applied(resolution.desired))
        keys = [DeploymentKey("default", name) for name in names]
        for key in keys:
            self.wait_ready(key, 1)
        return keys

    def wait_ready(self, key: DeploymentKey, count: int) -> None:
        """Wait until so many instances of a deployment are ready."""
        wait_until(lambda: sum(i.ready for i in self._observed(key)) >= count)

    def _observed(self, key: DeploymentKey) -> Sequence[ObservedInstance]:
        service = self.agent.fleet.services.get(key)
        return service.observe() if service else ()

    def _is_applied(self, desired: DesiredState) -> bool:
        try:
            self.agent.operations.apply(make_plan(desired, self.agent.controller.observe()), BY, fresh=True)
        except Trouble as trouble:
            if trouble.status != STALE:
                raise
            return False  # the rollout of the deployment before it has just gone a step further
        return True

    def guest(self, key: DeploymentKey) -> Direct:
        """Start another instance of a deployment's revision beside the supervised one, for calls without a mailbox."""
        found = self.started.get(key)
        if found is None:
            record = self.agent.ledger.records[key]
            alone = ComponentId(key.namespace, key.name, "alone")
            sender = self.agent.exchange.requests.begin(alone, RequestCounters(), lambda: None)
            sender.works_on(None, "")  # in no conversation that is recorded, as most
            started = finish(self.agent.guests.start(record.wanted.revision, alone))
            assert isinstance(started, Guest), started
            found = self.started[key] = Direct(started)
        return found

    def context(self, key: DeploymentKey) -> GuestContext:
        """Return what host functions know of an instance of a deployment, whose grants they check."""
        revision = self.agent.ledger.records[key].wanted.revision
        sender = ComponentId(key.namespace, key.name, "alone")
        return GuestContext(sender, revision, lambda: self.agent.fleet.grants_in_force(key), lambda *_: None)


@contextmanager
def running_agent() -> Iterator[Stage]:
    """Run an agent until the block ends."""
    folder, switch_s = Path(tempfile.mkdtemp(prefix="airs-bench-")), sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)  # as the agent's process does
    agent = Agent(
        StateDir(folder / "state"), folder / "agent.sock", lambda _event: None, lambda _status: None, calls_asked_for()
    )  # fmt: skip
    stop = threading.Event()
    controller = threading.Thread(target=agent.controller.run, args=(stop,), name="controller")
    controller.start()
    stage = Stage(agent, folder)
    try:
        yield stage
    finally:
        stop.set()
        agent.controller.wake()
        controller.join()
        for guest in stage.started.values():
            guest.close()
        wait_until(lambda: agent.shutdown.stop_guests(in_order=False))
        agent.close()
        agent.runtime.close()
        sys.setswitchinterval(switch_s)
        shutil.rmtree(folder)


def message(payload: bytes) -> Message:
    """Return the message that the API makes of a payload."""
    return Message(sender=CLIENT, payload=payload, timestamp_ns=1_700_000_000_000_000_000)


def folder_source(folder: Path, artifacts: ArtifactCache) -> Source:
    """Open a folder of manifests that is its own root."""
    spec = parse_source(str(folder), root=str(folder), cwd=folder)
    return open_source(spec, references=references, artifacts=artifacts, work_dir=folder / "unused")


def read(source: Source) -> Snapshot:
    """Read a source that is known to hold something."""
    answer = source.read()
    assert isinstance(answer, Known), answer
    return answer.snapshot


def replied(outcome: Outcome) -> bytes:
    """Return a reply's payload; anything else is a mistake of the benchmark."""
    assert isinstance(outcome, Replied), outcome
    assert outcome.payload is not None
    return outcome.payload


def wait_until(look: Callable[[], object], limit_s: float = LIMIT_S, every_s: float = 0.005) -> object:
    """Look until what is seen is true, and return it."""
    deadline = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {limit_s:g}s: {look}"
        time.sleep(every_s)
    return seen

"""The fake guest of the simulation, and the real one of a whole agent with real components, called both ways."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.agent.assembly import Agent
from orchestrator.model.base import digest_of
from orchestrator.model.calls import Calls
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited
from orchestrator.model.spec import Limits, Revision
from orchestrator.runtime import Direct
from orchestrator.runtime.call.finish import finish
from orchestrator.store.state_dir import StateDir
from orchestrator.supervise.ports import GuestPort
from tests.simulation.guest import FakeRuntime, Script

COMPONENTS = Path(__file__).resolve().parents[1] / "components"
SCRIPTS = {
    "faulty": Script(),
    "faulty-init": Script(never_starts=True),
    "unhealthy": Script(never_healthy=True),
}
Start = Callable[..., "Direct | Exited"]


def revision_of(artifact: str, timeout_ms: int, fuel: int) -> Revision:
    limits = Limits(memory_bytes=8 << 20, fuel=fuel, timeout_ms=timeout_ms)
    return Revision(
        id=digest_of(artifact), component="faulty", version="1.0.0", artifact=artifact, stateful=False, config="{}",
        grants=(), limits=limits,
    )  # fmt: skip


def direct(guest: "GuestPort | Exited") -> "Direct | Exited":
    return guest if isinstance(guest, Exited) else Direct(guest)


def fake() -> Iterator[Start]:
    runtime = FakeRuntime(lambda: None, lambda _guest, _message: None)
    runtime.scripts = SCRIPTS

    def start(name: str, timeout_ms: int = 5_000, fuel: int = 10_000_000) -> "Direct | Exited":
        return direct(finish(runtime.start(revision_of(name, timeout_ms, fuel), ComponentId("default", name, "0"))))

    yield start


def real(folder: Path, calls: Calls) -> Iterator[Start]:
    agent = Agent(StateDir(folder / "state"), folder / "agent.sock", lambda _event: None, lambda _status: None, calls)
    started: list[GuestPort] = []

    def start(name: str, timeout_ms: int = 5_000, fuel: int = 10_000_000) -> "Direct | Exited":
        digest = agent.state.artifacts.put((COMPONENTS / name / f"{name}.wasm").read_bytes())
        guest = finish(agent.guests.start(revision_of(digest, timeout_ms, fuel), ComponentId("default", name, "0")))
        if not isinstance(guest, Exited):
            started.append(guest)
        return direct(guest)

    yield start
    for guest in started:
        guest.close()
    agent.runtime.close()
    agent.close()


@pytest.fixture(params=["fake", *Calls], ids=lambda kind: kind if isinstance(kind, str) else kind.value)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start a guest of one kind: `start(component, timeout_ms=…, fuel=…)`."""
    yield from fake() if request.param == "fake" else real(tmp_path, request.param)

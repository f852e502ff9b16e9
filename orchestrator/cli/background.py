"""Starts an agent in the background: own session, no inherited descriptors or input, output to agent.log."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from orchestrator.cli.context import Settings, silent_holder
from orchestrator.client import AgentClient, NotAnswering
from orchestrator.contract.codes import NO_AGENT
from orchestrator.contract.documents import AgentView
from orchestrator.contract.problem import Failure
from orchestrator.model.settings import Origin
from orchestrator.store.layout import LOCK
from orchestrator.store.lock import holder

START_LIMIT_S = 20.0
LOOK_S = 0.02
LOG_TAIL = 2_000  # bytes of agent.log shown when it does not come up


def ensure_agent(settings: Settings, *, may_start: bool) -> AgentClient:
    """Return a client of the running agent, starting one in the background where none runs (and saying so).

    Raises:
        Failure: none runs and none may be started, or it does not come up.
    """
    client = settings.connection()
    if client.answers():
        return client
    if not may_start:
        raise settings.no_agent("Start one with `airs agent start`, or leave out --no-start.")
    start_agent(settings)
    settings.err().print(f"Started an agent in the background on {settings.state_dir}", style="dim")
    return client


def start_agent(settings: Settings) -> AgentClient:
    """Start an agent and wait until it answers.

    Raises:
        Failure: it ended, or does not answer; the end of its log says why.
    """
    from orchestrator.store.state_dir import StateDir  # with the database, which stopping an agent has no use for

    _ = settings.configured  # what is wrong with it is told here, not in a log
    state = StateDir(settings.state_dir)
    command = [sys.executable, "-m", "orchestrator", "agent", "run", "--state-dir", str(settings.state_dir)]
    if settings.found.file is not None:
        command += ["--config", str(settings.found.file)]
    command += [f"--policy={s.value}" for s in settings.resolved.settings if s.where == "--policy"]
    variables = {each.where: str(each.value) for each in settings.resolved.settings if each.origin is Origin.VARIABLE}
    log = os.open(state.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    begin = os.fstat(log).st_size
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True, start_new_session=True, cwd="/",
            env=os.environ | variables,
        )  # fmt: skip
    finally:
        os.close(log)
    client = settings.connection()
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(NotAnswering):  # it listens and is not ready yet; told below if it never is
            if client.answers():
                return client
        if process.poll() is not None and holder(settings.state_dir / LOCK) is None:
            break
        time.sleep(LOOK_S)
    else:
        silent = silent_holder(settings.state_dir)
        if silent is not None:
            raise silent
    raise Failure("the agent did not come up", _tail(state.log, begin), f"The whole log is {state.log}.", NO_AGENT)


def stop_agent(client: AgentClient, timeout_s: float, within_s: float | None = None) -> bool:
    """Ask the agent to stop, which ends calls after `within_s`, and wait until it let go of its state directory."""
    client.stop(within_s)
    deadline = time.monotonic() + timeout_s
    while holder(client.state_dir / LOCK) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


def restart_agent(settings: Settings, before: AgentView, timeout_s: float, within_s: float | None) -> AgentView:
    """Ask the agent to go on as another process, and wait until that answers; returns who it is then.

    Raises:
        Failure: it did not come up again.
    """
    settings.client().restart_agent(within_s)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(Failure), settings.connection() as client:
            now = client.about()
            if now.started_at != before.started_at:
                return now
        time.sleep(LOOK_S)
    raise Failure("the agent did not come up again", "", f"Its log is {before.log}.", NO_AGENT)


def _tail(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read()[-LOG_TAIL:].decode(errors="replace").strip()

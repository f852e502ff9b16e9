"""Runs an agent until it is told to stop: lock, socket, controller thread, HTTP server, polite end."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import uvicorn
from msgspec.structs import replace

from orchestrator import __version__, interpreter
from orchestrator.agent.api import Api, Served
from orchestrator.agent.assembly import Agent
from orchestrator.agent.fetching import NOTHING_FETCHED, Fetching
from orchestrator.agent.framing import Framed
from orchestrator.agent.handover import Handed, tell_manager
from orchestrator.agent.listener import Listening, listening, refuse_if_served
from orchestrator.agent.log import LOG, crashes_told, log_event, log_source, logging_to
from orchestrator.agent.memory import give_back, share_one_heap
from orchestrator.agent.outward import NOBODY_OUTSIDE, Outward
from orchestrator.agent.peer import PeerProtocol
from orchestrator.contract import endpoints
from orchestrator.contract.documents import AgentView, Python
from orchestrator.contract.endpoints import Endpoint
from orchestrator.contract.problem import Failure
from orchestrator.interpreter import Interpreter
from orchestrator.model.calls import Calls, UnknownLayout
from orchestrator.model.event import Event
from orchestrator.model.policy import MachineLimits
from orchestrator.model.settings import (
    PublishSection,
    SourceSection,
)
from orchestrator.model.source import SourceStatus
from orchestrator.secrets.secrets import SecretPlaces
from orchestrator.store.database import DatabaseFault
from orchestrator.store.lock import Owner, StateLock
from orchestrator.store.state_dir import StateDir

T = TypeVar("T")

STOP_LIMIT_S = 15.0  # for all guests to say goodbye, before calls that still run are ended; where nothing else is said
ORDERED_SHARE = 2 / 3  # of that time, in which what is needed waits for those that need it
INTERRUPTED_LIMIT_S = 2.0  # for those who wait for such calls to be told
CALLERS_LIMIT_S = 2  # for callers that are still sending when all guests have gone
STOP_LOOK_S = 0.01
ANSWERED_LIMIT_S = 5.0  # for requests that are under way when another process is to go on
FOLLOWED = frozenset(one.path for one in vars(endpoints).values() if isinstance(one, Endpoint) and one.lines)
PLACE_LOOK_S = 1.0  # how often an agent looks whether its state directory is still where it was
SWITCH_S = 0.001  # a thread that computes in Python delays a message by this, not by CPython's 5 ms


class AgentOptions(NamedTuple):
    """The options of one agent: where it runs, by which command, who is told, and what is done once it is up."""

    state_dir: Path
    socket_path: Path
    command: str
    say: Callable[[Event], None]
    report: Callable[[SourceStatus], None]
    ready: Callable[[Agent], None]
    calls: Calls = Calls.NATIVE
    fetching: Fetching = NOTHING_FETCHED
    secrets: SecretPlaces | None = None
    policy: str = ""
    sources: tuple[SourceSection, ...] = ()
    policy_refresh_ms: int = 15_000
    machine: MachineLimits | None = None
    outward: Outward = NOBODY_OUTSIDE
    publish: PublishSection = PublishSection()
    handed: Handed | None = None
    may_restart: bool = False


def run_agent(options: AgentOptions) -> socket.socket | None:
    """Run an agent in this process until SIGTERM, SIGINT or a request to stop.

    Returns its listener where another process is to go on with it, which was asked for.

    Raises:
        StateLocked: another agent has the state directory; the error names it.
    """
    _allow_many_files()
    _write_no_core()
    share_one_heap()
    state = StateDir(options.state_dir)
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    owner = Owner(pid=os.getpid(), started_at=started_at, command=options.command, socket=str(options.socket_path))
    with state.lock(owner) as lock, contextlib.ExitStack() as opened:
        opened.enter_context(logging_to(state.log))
        opened.enter_context(crashes_told(state.log))
        opened.enter_context(_told_of(options, state))
        if options.handed is None:
            refuse_if_served(options.socket_path)
        sys.setswitchinterval(SWITCH_S)
        agent = Agent(
            state, options.socket_path, _both(log_event, options.say), _both(log_source, options.report),
            options.calls, options.fetching, options.secrets,
        )  # fmt: skip
        agent.ruling.limit(options.machine)
        agent.policies = agent.policies_of(options.policy, options.fetching, options.policy_refresh_ms)
        agent.publish(options.publish, options.fetching)
        agent.reach(options.outward, options.fetching.settings)
        opened.callback(_close, agent, lock)
        # Only now: a failure before touches no socket.
        listener = opened.enter_context(listening(options.socket_path, options.handed))
        about = _said_of(agent, options, started_at)
        return asyncio.run(_serve(agent, about, listener, lock, options))


def _said_of(agent: Agent, options: AgentOptions, started_at: str) -> AgentView:
    return AgentView(
        pid=os.getpid(),
        socket=str(options.socket_path),
        version=__version__,
        started_at=started_at,
        state_dir=str(options.state_dir),
        log=str(agent.state.log),
        lineage=agent.state.lineage,
        calls=agent.runtime.path.calls,
        why_slower=agent.runtime.path.why,
        python=_python(interpreter.found()),
    )


def _python(found: Interpreter) -> Python:
    return Python(version=found.version, optimised=found.is_optimised, costs=found.costs)


def _close(agent: Agent, lock: StateLock) -> None:
    """Close what the agent holds; of a state directory that was taken away, nothing more than that is a fault.

    Raises:
        DatabaseFault: writes that were not on the disk yet could not be brought there.
    """
    try:
        agent.close()
    except DatabaseFault as fault:
        if lock.is_in_place:
            raise
        LOG.warning("%s was moved, replaced or removed, so its database was left as it is: %s", agent.state.path, fault)


@contextlib.contextmanager
def _told_of(options: AgentOptions, state: StateDir) -> Iterator[None]:
    """Write down that an agent begins and ends, and by what fault if it does not end in order."""
    LOG.info("airs %s begins as process %d on %s: %s", __version__, os.getpid(), state.path, options.command)
    try:
        yield
    except (Failure, DatabaseFault, UnknownLayout, OSError) as fault:
        LOG.error("the agent ends: %s", fault)
        raise
    except BaseException:
        LOG.critical("the agent ends by a fault of airs itself", exc_info=True)
        raise
    LOG.info("the agent has ended in order")


def _both(first: Callable[[T], None], second: Callable[[T], None]) -> Callable[[T], None]:
    def tell(what: T) -> None:
        first(what)
        second(what)

    return tell


def _allow_many_files() -> None:
    """Use what the machine allows this process: every guest that prints takes two or four descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _write_no_core() -> None:
    """Keep the memory of this process, in which secrets are, out of core files, piped ones among them."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # a system without /proc/self/coredump_filter has the limit alone
        Path("/proc/self/coredump_filter").write_text("0")


class _Ending:
    """The patience of a stopping agent with its guests; each request to stop may set it, also while it stops."""

    def __init__(self) -> None:
        self.limit_s = STOP_LIMIT_S
        self.goes_on = False  # as another process
        self._asked = asyncio.Event()

    def ask(self, limit_s: float | None = None, *, goes_on: bool | None = None) -> None:
        """Ask the agent to stop, or to go on as another process; None leaves that as it is. On its loop's thread."""
        if limit_s is not None:
            self.limit_s = limit_s
        self.goes_on = self.goes_on if goes_on is None else goes_on
        self._asked.set()

    async def wait(self) -> None:
        """Wait until it is asked to."""
        await self._asked.wait()


async def _serve(
    agent: Agent, about: AgentView, listening: Listening, lock: StateLock, options: AgentOptions
) -> socket.socket | None:
    stop = threading.Event()
    ending = _Ending()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, ending.ask)
    controller = threading.Thread(target=_control, args=(agent, stop, lambda: loop.call_soon_threadsafe(ending.ask)))
    api = _api(agent, about, ending, options)
    framed = Framed(api.application(), lambda: ending.goes_on, FOLLOWED)
    server = _Server(_served(framed))
    serving = asyncio.create_task(server.serve(sockets=[listening.listener.dup()]))
    _begin(agent, options)
    options.ready(agent)
    controller.start()
    agent.publishing.begin()
    tell_manager("READY=1")
    waits = {serving, asyncio.create_task(ending.wait())}
    leaving = asyncio.create_task(_leave_if_moved(agent, lock, ending))
    giving_back = asyncio.create_task(give_back(lambda: agent.ledger.serial))
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await _begin_to_end(server, framed, ending)
    LOG.info("stopping: instances have up to %g s", ending.limit_s)
    leaving.cancel()
    giving_back.cancel()
    await asyncio.to_thread(agent.publishing.close)
    stop.set()
    agent.controller.wake()
    await asyncio.to_thread(_end_guests, agent, controller, ending)
    api.close()
    server.should_exit = True
    await serving
    return listening.hand_on() if ending.goes_on else None


def _api(agent: Agent, about: AgentView, ending: _Ending, options: AgentOptions) -> Api:
    return Api(
        Served(
            agent.operations, agent.planning, agent.sources, agent.messages, agent.controller, agent.journals,
            agent.compilations, lambda: _about(about, agent), agent.state.key, ending.ask, options.may_restart,
            agent.announcer.announce, agent.auditing, agent.attestation.views, agent.times.dated, agent.look_again,
            agent.collector, agent.ruling, agent.exporting, agent.notifying,
        )
    )  # fmt: skip


def _served(framed: Framed) -> uvicorn.Config:
    return uvicorn.Config(
        framed, http=PeerProtocol, log_config=None, access_log=False, lifespan="off", ws="none",
        timeout_graceful_shutdown=CALLERS_LIMIT_S,
    )  # fmt: skip


async def _begin_to_end(server: "_Server", framed: Framed, ending: _Ending) -> None:
    """Tell of the end; where another process goes on, accept nobody any more, and answer those who asked before."""
    tell_manager("RELOADING=1" if ending.goes_on else "STOPPING=1")
    if not ending.goes_on:
        return
    for each in server.servers:  # who comes from now on waits for the process that comes after this one
        each.close()
    until_s = time.monotonic() + min(ANSWERED_LIMIT_S, ending.limit_s)
    while framed.under_way and time.monotonic() < until_s:
        await asyncio.sleep(STOP_LOOK_S)


def _begin(agent: Agent, options: AgentOptions) -> None:
    """Start the threads that work for the controller, or beside it."""
    agent.sources.followed.begin(agent.declared.begin(options.sources))
    agent.collector.begin()
    agent.times.begin()
    agent.auditing.begin()
    agent.secrets.begin()
    agent.policies.begin(agent.ruling.put)
    agent.webhooks.begin()
    agent.notifying.begin()


def _about(about: AgentView, agent: Agent) -> AgentView:
    policies = agent.policies
    return replace(
        about, condition=agent.condition, policy=policies.shown, policy_warning=policies.warning,
        policy_fault=policies.fault, policy_read_at=policies.read_at_ms,
        webhooks=agent.webhooks.view(), receivers=agent.notifying.views(),
        published=agent.publishing.views,
    )  # fmt: skip


async def _leave_if_moved(agent: Agent, lock: StateLock, ending: _Ending) -> None:
    """Stop the agent once its state directory is not the one at its path any more: nobody could reach it there."""
    while lock.is_in_place:
        await asyncio.sleep(PLACE_LOOK_S)
    why = f"the lock in {agent.state.path} was removed or replaced, or the whole directory: this agent ends in order"
    agent.announcer.announce(None, "state-dir-gone", why)
    ending.ask()


class _Server(uvicorn.Server):
    """A server whose signals are ours: its own handlers would end it before the guests have said goodbye."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _control(agent: Agent, stop: threading.Event, ended: Callable[[], None]) -> None:
    try:
        agent.controller.run(stop)
    finally:
        ended()  # a controller that died takes the agent with it, so that nobody believes a status that is not kept


def _end_guests(agent: Agent, controller: threading.Thread, ending: _Ending) -> None:
    controller.join(STOP_LIMIT_S)
    began = time.monotonic()
    if _stopped(lambda: agent.shutdown.stop_guests(in_order=True), lambda: began + ending.limit_s * ORDERED_SHARE):
        return
    if not _stopped(lambda: agent.shutdown.stop_guests(in_order=False), lambda: began + ending.limit_s):
        agent.shutdown.interrupt_guests()
        until = time.monotonic() + INTERRUPTED_LIMIT_S
        _stopped(lambda: agent.shutdown.stop_guests(in_order=False), lambda: until)


def _stopped(stop: Callable[[], bool], deadline_s: Callable[[], float]) -> bool:
    """Go on stopping until everything has ended, or the time is over, which may change; whether it has."""
    while not stop():
        if time.monotonic() >= deadline_s():
            return False
        time.sleep(STOP_LOOK_S)
    return True

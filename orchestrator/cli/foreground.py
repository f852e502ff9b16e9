"""Runs an agent in the foreground: what `airs up` does where none runs, and what the background agent's process does.

Only these two import the agent itself; everything else of the command line asks one.
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from orchestrator.agent.assembly import Agent
from orchestrator.agent.fetching import Fetching
from orchestrator.agent.handover import HandoverRefused, replace_process, take_listener
from orchestrator.agent.outward import Outward
from orchestrator.agent.process import AgentOptions, run_agent
from orchestrator.agent.socket import socket_path
from orchestrator.cli.context import Settings, runtime_dir
from orchestrator.cli.excerpts import in_files, on_disk
from orchestrator.cli.machine_limits import machine_limits
from orchestrator.cli.reading import passed_to_git
from orchestrator.cli.show import PHASE_STYLES, clock, show_diagnostics
from orchestrator.cli.terminal import Console, Text
from orchestrator.contract.codes import FAILED
from orchestrator.contract.problem import Failure
from orchestrator.fetch.limits import fetch_settings
from orchestrator.model.event import Event
from orchestrator.model.source import SourceStatus
from orchestrator.secrets.secrets import SecretPlaces
from orchestrator.secrets.variables import take_secrets
from orchestrator.store.lock import StateLocked

T = TypeVar("T")


def run_here(
    settings: Settings, ready: Callable[[Agent], None] = lambda _: None, *, is_aloud: bool = True,
    may_restart: bool = False,
) -> None:  # fmt: skip
    """Run an agent until it is stopped; `ready` is called with it as soon as it answers.

    One that `may_restart` goes on as another process when it is asked to, with the same arguments and variables.

    Raises:
        Failure: one runs already.
    """
    variables = dict(os.environ)
    try:
        listener = run_agent(_options(settings, ready, is_aloud=is_aloud, may_restart=may_restart))
        if listener is not None:
            replace_process(listener, [sys.executable, "-m", "orchestrator", *sys.argv[1:]], variables)
    except HandoverRefused as refused:
        raise Failure(str(refused), "", "Start it without LISTEN_FDS, or with one Unix socket.", FAILED) from None
    except StateLocked as locked:
        raise Failure(
            f"an agent already runs on {settings.state_dir}",
            f"It is {locked.owner}." if locked.owner else "It has not said who it is.",
            "Use it, stop it with `airs agent stop`, or name another --state-dir.",
            FAILED,
        ) from None


def _options(
    settings: Settings, ready: Callable[[Agent], None], *, is_aloud: bool, may_restart: bool
) -> AgentOptions:  # fmt: skip
    configured = settings.configured
    return AgentOptions(
        settings.state_dir,
        socket_path(settings.state_dir, runtime_dir()),
        shlex.join(["airs", *sys.argv[1:]]),
        say=aloud(settings, say_event) if is_aloud else _silent,
        report=aloud(settings, report_look) if is_aloud else _silent,
        ready=ready,
        calls=settings.calls,
        fetching=Fetching(fetch_settings(configured), passed_to_git(), configured.store.retain),
        secrets=SecretPlaces(Path(configured.secrets.dir), take_secrets(os.environ)),
        policy=configured.policy,
        sources=configured.sources,
        policy_refresh_ms=configured.policy_refresh,
        machine=machine_limits(settings),
        outward=Outward(configured.webhooks, configured.forges, configured.notifications),
        publish=configured.publish,
        handed=take_listener(os.environ),
        may_restart=may_restart,
    )


def _silent(_what: object) -> None:
    return


def aloud(settings: Settings, show: Callable[[Console, T], None]) -> Callable[[T], None]:
    """Return `show` for somebody who does not care whether it could be printed, such as the controller."""

    def show_or_drop(what: T) -> None:
        with contextlib.suppress(OSError):  # agent.log on a full disk is no reason to end what runs
            show(settings.out(), what)  # a new console each time: one that failed keeps what it could not print

    return show_or_drop


def say_event(console: Console, event: Event) -> None:
    """Print an event."""
    who = f"{event.key}  " if event.key else ""
    style = PHASE_STYLES.get(event.reason, "yellow" if event.type.value == "warning" else "cyan")
    console.print(Text.assemble((clock(event.at_ms), "dim"), f"  {who}", (event.reason, style), f"  {event.message}"))


def report_look(console: Console, status: SourceStatus) -> None:
    """Print what a look at a source found wrong."""
    if status.failure is not None:
        failure = status.failure
        held = "refused: " if failure.refused is not None else "stale: "
        console.print(Text.assemble((held, "bold yellow"), f"{failure.summary}: {failure.detail}"))
        console.print(Text("    the deployments keep running", style="dim"))
    is_git = "#" in status.source
    show_diagnostics(console, status.diagnostics, None if is_git else in_files(on_disk))

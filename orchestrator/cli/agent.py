"""`airs up` and `airs agent start|stop|status`."""

import contextlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from orchestrator.agent.assembly import Agent
from orchestrator.agent.process import AgentOptions, run_agent
from orchestrator.agent.socket import socket_path
from orchestrator.agent.trouble import Trouble
from orchestrator.cli.attached import Telling, watch_along
from orchestrator.cli.background import start_agent, stop_agent
from orchestrator.cli.context import Settings, command, global_options, runtime_dir
from orchestrator.cli.durations import DURATION
from orchestrator.cli.excerpts import on_disk
from orchestrator.cli.planning import empty_option, mass_prune_option, root_option, source_option
from orchestrator.cli.reading import NamedSource, passed_to_git
from orchestrator.cli.show import PHASE_STYLES, clock, show_diagnostics
from orchestrator.cli.terminal import Console, Text
from orchestrator.client import AgentClient
from orchestrator.contract.bodies import SourceWish
from orchestrator.contract.codes import FAILED
from orchestrator.contract.documents import UpBegan
from orchestrator.contract.problem import Failure
from orchestrator.model.desired import Permissions
from orchestrator.model.event import Event
from orchestrator.model.source import SourceStatus, place_of, root_of
from orchestrator.observe.events import printable
from orchestrator.store.lock import StateLocked
from orchestrator.store.state_dir import holder

STOP_S = 60.0
T = TypeVar("T")


@command()
@click.argument("path")
@source_option
@root_option
@mass_prune_option
@empty_option
@click.option("--adopt", is_flag=True, help="Take over deployments that another source owns.")
@click.option("--interval", type=DURATION, default="15s", help="How often a git repository is looked at.")
def up(
    settings: Settings, path: str, source: str | None, root: str | None, interval: int, adopt: bool,
    allow_mass_prune: bool, allow_empty: bool,
) -> None:  # fmt: skip
    """Have a source watched until Ctrl-C, and tell what happens.

    PATH is a folder, a file or REPOSITORY#ref:path. The agent that runs does it, beside what else it does. Where none
    runs, this is the agent, in the foreground.
    """
    spec = NamedSource(path, source, root).spec()
    permissions = Permissions(adopt=adopt, allow_mass_prune=allow_mass_prune, allow_empty=allow_empty)

    wish = SourceWish(
        path=path, cwd=str(Path.cwd()), name=source, root=root, interval_ms=interval, permissions=permissions
    )  # fmt: skip

    client = settings.connection()
    if client.answers():
        _watch_along(settings, client, wish)
        return

    def ready(agent: Agent) -> None:
        try:
            ends = agent.sources.begin_up_here(spec, wish)
        except Trouble as trouble:
            problem = trouble.problem
            raise Failure(problem.summary, problem.detail, problem.suggestion, problem.exit_code) from None
        began = UpBegan(name=spec.identity, reads=place_of(spec), root=root_of(spec), ends=ends)
        _aloud(settings, _greet)(began)

    _run(settings, ready)
    settings.out().print("Stopped.")


def _watch_along(settings: Settings, client: AgentClient, wish: SourceWish) -> None:
    about = client.about()

    def greet(console: Console, began: UpBegan) -> None:
        _greet(console, began)
        console.print(f"The agent that runs already (process {about.pid}) does it.", style="dim")

    telling = Telling(_aloud(settings, greet), _aloud(settings, _say), _aloud(settings, _report))
    began = watch_along(client, wish, telling)
    if began is None:
        return
    is_over = "is not watched any more" if began.ends else "stays watched"
    settings.err().print(Text(printable(f"{began.name} {is_over}; what it deployed keeps running on the agent.")))


def _greet(console: Console, began: UpBegan) -> None:
    console.print(Text.assemble("Watching ", (printable(began.name), "bold"), f" (root: {printable(began.root)})"))
    if not began.ends:
        console.print("It was added with `airs source add`: its options are those, and it stays watched after this.")
    console.print("Press Ctrl-C to stop.", style="dim")


@click.group()
@global_options
def agent() -> None:
    """Start, stop or look at the background agent."""


@command()
def start(settings: Settings) -> None:
    """Start an agent in the background, if none runs."""
    owner = holder(settings.state_dir) if settings.state_dir.exists() else None
    if owner is not None:
        settings.client()  # or it says nothing, and that is told
        settings.err().print(f"Already running: {owner}")
        return
    client = start_agent(settings)
    settings.err().print(f"Started an agent (process {client.about().pid}) on {settings.state_dir}")


@command()
@click.option(
    "--within", type=DURATION, default="15s", show_default=True,
    help="How long instances may take; calls that still run are then ended.",
)  # fmt: skip
def stop(settings: Settings, within: int) -> None:
    """Stop the agent politely: messages in hand are finished, instances say goodbye.

    While it is stopping, another `airs agent stop --within 0s` ends what still runs at once.
    """
    client = settings.client()
    if not stop_agent(client, STOP_S + within / 1000, within / 1000):
        raise Failure("the agent is still stopping", suggestion="`airs agent status` tells when it has.")
    settings.err().print("Stopped.")


@command()
def status(settings: Settings) -> None:
    """Say whether an agent runs, and which."""
    about = settings.client().about()
    if settings.is_json:
        settings.print_json(about)
        return
    console = settings.out()
    console.print(Text.assemble(("running", "green"), f"  process {about.pid}, airs {about.version}"))
    console.print(f"since      {about.started_at}\nstate      {about.state_dir}\nsocket     {about.socket}")
    console.print(f"log        {about.log}")
    console.print(f"calls      {about.calls.value}{f': {about.why_stock}' if about.why_stock else ''}")
    if about.condition:
        console.print(Text.assemble(("store      ", "bold red"), printable(about.condition)))


@command(hidden=True)
def run(settings: Settings) -> None:
    """Run an agent in the foreground that watches nothing; what it does is in its log."""
    _run(settings, lambda _agent: None, is_aloud=sys.stdout.isatty())


agent.add_command(start)
agent.add_command(stop)
agent.add_command(status)
agent.add_command(run)


def _run(settings: Settings, ready: Callable[[Agent], None], *, is_aloud: bool = True) -> None:
    try:
        options = AgentOptions(
            settings.state_dir,
            socket_path(settings.state_dir, runtime_dir()),
            shlex.join(["airs", *sys.argv[1:]]),
            say=_aloud(settings, _say) if is_aloud else _silent,
            report=_aloud(settings, _report) if is_aloud else _silent,
            ready=ready,
            calls=settings.calls,
            passed_on=passed_to_git(),
        )
        run_agent(options)
    except StateLocked as locked:
        raise Failure(
            f"an agent already runs on {settings.state_dir}",
            f"It is {locked.owner}." if locked.owner else "It has not said who it is.",
            "Use it, stop it with `airs agent stop`, or name another --state-dir.",
            FAILED,
        ) from None


def _silent(_what: object) -> None:
    return


def _aloud(settings: Settings, show: Callable[[Console, T], None]) -> Callable[[T], None]:
    """Return `show` for somebody who does not care whether it could be printed, such as the controller."""

    def show_or_drop(what: T) -> None:
        with contextlib.suppress(OSError):  # agent.log on a full disk is no reason to end what runs
            show(settings.out(), what)  # a new console each time: one that failed keeps what it could not print

    return show_or_drop


def _say(console: Console, event: Event) -> None:
    who = f"{event.key}  " if event.key else ""
    style = PHASE_STYLES.get(event.reason, "yellow" if event.type.value == "warning" else "cyan")
    console.print(Text.assemble((clock(event.at_ms), "dim"), f"  {who}", (event.reason, style), f"  {event.message}"))


def _report(console: Console, status: SourceStatus) -> None:
    if status.failure is not None:
        failure = status.failure
        console.print(Text.assemble(("stale: ", "bold yellow"), f"{failure.summary}: {failure.detail}"))
        console.print(Text("    what runs keeps running", style="dim"))
    is_git = "#" in status.source
    show_diagnostics(console, status.diagnostics, None if is_git else on_disk)

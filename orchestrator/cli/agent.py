"""`airs agent start|stop|status|run`."""

import sys

import click

from orchestrator.cli.context import Settings, command, global_options, policy_option
from orchestrator.cli.durations import DURATION
from orchestrator.cli.service import install_service
from orchestrator.cli.terminal import Text
from orchestrator.contract.problem import Failure
from orchestrator.observe.events import printable
from orchestrator.store.layout import LOCK

STOP_S = 60.0


@click.group()
@global_options
def agent() -> None:
    """Start, stop or look at the background agent."""


@command()
@policy_option
def start(settings: Settings) -> None:
    """Start an agent in the background, if none runs."""
    from orchestrator.cli.background import start_agent  # here and below: with processes, which `status` starts none of
    from orchestrator.store.lock import holder

    owner = holder(settings.state_dir / LOCK) if settings.state_dir.exists() else None
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
    from orchestrator.cli.background import stop_agent

    client = settings.client()
    if not stop_agent(client, STOP_S + within / 1000, within / 1000):
        raise Failure("the agent is still stopping", suggestion="`airs agent status` tells when it has.")
    settings.err().print("Stopped.")


@command()
@click.option(
    "--within", type=DURATION, default="15s", show_default=True,
    help="How long instances may take; calls that still run are then ended.",
)  # fmt: skip
def restart(settings: Settings, within: int) -> None:
    """Replace the agent's process by one of the airs that is installed now.

    Instances are stopped politely and started again; who asks meanwhile waits for the answer.
    """
    from orchestrator.cli.background import restart_agent

    before = settings.client().about()
    after = restart_agent(settings, before, STOP_S + within / 1000, within / 1000)
    settings.err().print(f"Restarted: airs {before.version} → airs {after.version}, process {after.pid}")


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
    console.print(f"calls      {about.calls.value}{f': {about.why_slower}' if about.why_slower else ''}")
    console.print(f"python     {about.python.version}, {about.python.costs or 'an optimised build'}")
    if about.policy:
        console.print(Text(printable(f"policy     {about.policy}")))
    if about.policy_warning:
        console.print(Text.assemble(("policy     ", "bold red"), printable(about.policy_warning)))
    if about.condition:
        console.print(Text.assemble(("store      ", "bold red"), printable(about.condition)))
    if about.webhooks is not None:
        from orchestrator.cli.outward import show_webhooks  # which most agents have no use for

        show_webhooks(console, about.webhooks)
    if about.published:
        from orchestrator.cli.outward import show_published

        show_published(console, about.published)
    if about.receivers:
        from orchestrator.cli.outward import show_receivers

        show_receivers(console, about.receivers)


@command(hidden=True)
@policy_option
def run(settings: Settings) -> None:
    """Run an agent in the foreground that watches nothing; what it does is in its log."""
    from orchestrator.cli.foreground import run_here  # with the agent itself, which nobody needs who only asks it

    run_here(settings, is_aloud=sys.stdout.isatty(), may_restart=True)


agent.add_command(start)
agent.add_command(stop)
agent.add_command(restart)
agent.add_command(status)
agent.add_command(run)
agent.add_command(install_service)

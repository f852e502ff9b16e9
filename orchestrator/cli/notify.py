"""`airs notify`: the forges and notifications that the agent tells of what happens."""

import click

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.names import WORD
from orchestrator.cli.outward import receiver_table
from orchestrator.contract.documents import Done


@click.group()
@global_options
def notify() -> None:
    """Look at the forges and notifications that the agent tells of what happens, and try one.

    They stand in `airs.toml`, under `[[forges]]` and `[[notifications]]`.
    """


@command("list")
def list_receivers(settings: Settings) -> None:
    """List them, what they were told, and why they cannot be told."""
    receivers = settings.client().about().receivers
    if settings.is_json:
        settings.print_json(receivers)
    else:
        receiver_table(settings.out(), receivers)


@command()
@click.argument("name", type=WORD)
def test(settings: Settings, name: str) -> None:
    """Send something to NAME now: an event, or to a forge the states of its commits once more."""
    message = settings.client().test_notify(name)
    if settings.is_json:
        settings.print_json(Done(message=message))
    else:
        settings.err().print(message)


notify.add_command(list_receivers)
notify.add_command(test)

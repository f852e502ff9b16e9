"""`airs session`: look at the sessions of typed calls, drop what they hold, end them."""

import click

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.names import LABEL, key_argument
from orchestrator.cli.show import table
from orchestrator.model.ids import DeploymentKey

COLUMNS = ("SESSION", "INSTANCE", "HANDLES")
session_argument = click.argument("session", type=LABEL)


@click.group()
@global_options
def session() -> None:
    """Look at the sessions of typed calls, drop handles, or end one.

    A session ends by itself when it is not used for ten minutes, or when its instance ends.
    """


@command("list")
@key_argument
def list_(settings: Settings, name: DeploymentKey) -> None:
    """List a deployment's sessions."""
    found = settings.client().sessions(name)
    if settings.is_json:
        settings.print_json(found)
        return
    table(settings.out(), COLUMNS, [(one.name, one.instance, str(one.handles)) for one in found])


@command()
@key_argument
@session_argument
@click.argument("handles", metavar="HANDLE...", nargs=-1, required=True, type=click.IntRange(min=0))
def drop(settings: Settings, name: DeploymentKey, session: str, handles: tuple[int, ...]) -> None:
    """Drop handles of a session; the guest's destructors run."""
    _say(settings, settings.client().drop_handles(name, session, handles))


@command()
@key_argument
@session_argument
def end(settings: Settings, name: DeploymentKey, session: str) -> None:
    """End a session and drop all its handles; the guest's destructors run."""
    _say(settings, settings.client().drop_handles(name, session, ()))


def _say(settings: Settings, count: int) -> None:
    settings.err().print(f"dropped {count} handle{'' if count == 1 else 's'}")


for each in (list_, drop, end):
    session.add_command(each)

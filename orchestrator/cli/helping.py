"""`airs help [COMMAND...]`: the same as `airs COMMAND --help`."""

from collections.abc import Sequence

import click
from click.exceptions import NoSuchCommand

from orchestrator.cli.context import global_options


def _next(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Name the commands that may follow those that are typed already; none where one of them is wrong."""
    try:
        shown = _described(context.find_root(), context.params.get("commands") or ())
    except click.UsageError:
        return []
    if not isinstance(shown.command, click.Group):
        return []
    return [name for name in shown.command.list_commands(shown) if name.startswith(incomplete)]


@click.command("help")
@click.argument("commands", metavar="[COMMAND]...", nargs=-1, shell_complete=_next)
@global_options
@click.pass_context
def help(context: click.Context, commands: tuple[str, ...]) -> None:
    """Show what airs or one of its commands does."""
    shown = _described(context.find_root(), commands)
    click.echo(shown.command.get_help(shown))


def _described(root: click.Context, commands: Sequence[str]) -> click.Context:
    shown = root
    for name in commands:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"`{shown.command_path}` has no command {name[:40]!a}", ctx=shown)
        _, found, _ = shown.command.resolve_command(shown, [name])
        if found is None:  # click says so only where nothing is being completed
            raise NoSuchCommand(name, ctx=shown)
        shown = click.Context(found, info_name=name, parent=shown)
    return shown

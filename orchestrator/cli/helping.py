"""`airs help [COMMAND...]`: the same as `airs COMMAND --help`."""

import click

from orchestrator.cli.context import global_options


@click.command("help")
@click.argument("commands", metavar="[COMMAND]...", nargs=-1)
@global_options
@click.pass_context
def help(context: click.Context, commands: tuple[str, ...]) -> None:
    """Show what airs or one of its commands does."""
    root = context.find_root()
    command, shown = root.command, root
    for name in commands:
        if not isinstance(command, click.Group):
            raise click.UsageError(f"`{shown.command_path}` has no command {name[:40]!a}", ctx=shown)
        _, found, _ = command.resolve_command(shown, [name])
        assert found is not None
        command, shown = found, click.Context(found, info_name=name, parent=shown)
    click.echo(command.get_help(shown))

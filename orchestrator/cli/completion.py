"""`airs completion SHELL`: a script that asks `airs` itself what may come next.

The names of deployments are asked of the agent, in a moment or not at all: nobody waits for a completion.
"""

import click

from orchestrator.cli.context import Settings, command

SHELLS = ("bash", "zsh", "fish")
INSTALL = {
    "bash": "# Put this into ~/.bashrc:  source <(airs completion bash)",
    "zsh": "# Put this into ~/.zshrc, after compinit:  source <(airs completion zsh)",
    "fish": "# Once:  airs completion fish > ~/.config/fish/completions/airs.fish",
}


@command()
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(SHELLS))
def completion(settings: Settings, shell: str) -> None:
    """Print a script that completes commands, options and names in a shell."""
    from click.shell_completion import get_completion_class

    from orchestrator.cli.main import cli

    made = get_completion_class(shell)
    assert made is not None
    click.echo(f"{INSTALL[shell]}\n{made(cli, {}, 'airs', '_AIRS_COMPLETE').source()}")

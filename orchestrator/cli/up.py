"""`airs up`: a source is watched until Ctrl-C, by the agent that runs or by this process."""

from pathlib import Path

import click

from orchestrator.agent.assembly import Agent
from orchestrator.agent.trouble import Trouble
from orchestrator.cli.attached import Telling, watch_along
from orchestrator.cli.context import Settings, command, policy_option
from orchestrator.cli.declared import named_source
from orchestrator.cli.durations import DURATION
from orchestrator.cli.foreground import aloud, report_look, run_here, say_event
from orchestrator.cli.planning import empty_option, mass_prune_option, root_option, source_option
from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.verifying import namespace_option, verify_options
from orchestrator.client import AgentClient
from orchestrator.contract.bodies import SourceWish
from orchestrator.contract.documents import UpBegan
from orchestrator.contract.problem import Failure
from orchestrator.model.desired import Permissions
from orchestrator.model.source import place_of, root_of
from orchestrator.observe.events import printable


@command()
@click.argument("path")
@source_option
@root_option
@verify_options
@namespace_option
@mass_prune_option
@empty_option
@policy_option
@click.option("--adopt", is_flag=True, help="Take over deployments that another source owns.")
@click.option("--interval", type=DURATION, default="15s", help="How often a git repository is looked at.")
def up(
    settings: Settings, path: str, source: str | None, root: str | None, interval: int, adopt: bool,
    allow_mass_prune: bool, allow_empty: bool,
) -> None:  # fmt: skip
    """Watch a source until Ctrl-C, and tell what happens.

    PATH is a folder, a file or REPOSITORY#ref:path. A running agent watches it, beside its other work. Where none runs,
    this is the agent, in the foreground.
    """
    place = named_source(settings, path, source, root)
    spec = place.spec()
    permissions = Permissions(adopt=adopt, allow_mass_prune=allow_mass_prune, allow_empty=allow_empty)

    wish = SourceWish(
        path=path, cwd=str(Path.cwd()), name=place.source, root=place.root, interval_ms=interval,
        permissions=permissions, verify=place.verify, namespaces=place.namespaces,
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
        aloud(settings, _greet)(began)

    run_here(settings, ready)
    settings.out().print("Stopped.")


def _watch_along(settings: Settings, client: AgentClient, wish: SourceWish) -> None:
    about = client.about()

    def greet(console: Console, began: UpBegan) -> None:
        _greet(console, began)
        console.print(f"The agent that runs already (process {about.pid}) does it.", style="dim")

    telling = Telling(aloud(settings, greet), aloud(settings, say_event), aloud(settings, report_look))
    began = watch_along(client, wish, telling)
    if began is None:
        return
    is_over = "is not watched any more" if began.ends else "stays watched"
    settings.err().print(Text(printable(f"{began.name} {is_over}; its deployments keep running on the agent.")))


def _greet(console: Console, began: UpBegan) -> None:
    console.print(Text.assemble("Watching ", (printable(began.name), "bold"), f" (root: {printable(began.root)})"))
    if not began.ends:
        console.print("It was added with `airs source add`: its options are those, and it stays watched after this.")
    console.print("Press Ctrl-C to stop.", style="dim")

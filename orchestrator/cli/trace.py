"""`airs trace`: the ways of conversations through components, as they were recorded."""

from collections.abc import Sequence

import click

from orchestrator.cli.context import Settings, command
from orchestrator.cli.names import NAME, WORD
from orchestrator.cli.show import table
from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.times import fine_clock
from orchestrator.contract.problem import Failure
from orchestrator.model.hop import Conversation, Hop
from orchestrator.observe.trace import CONVERSATIONS_MAX

COLUMNS = ("AT", "FROM", "TO", "WHAT", "TOOK", "OUTCOME")


@command()
@click.argument("what", metavar="CONVERSATION|NAME", type=WORD)
@click.option(
    "--last",
    metavar="N",
    type=click.IntRange(1, CONVERSATIONS_MAX),
    help="Show the last N conversations that the deployment NAME took part in.",
)
def trace(settings: Settings, what: str, last: int | None) -> None:
    """Show a conversation: its messages, from where to where, and how each ended.

    A conversation is found by its name, or by the id of any request in it.
    """
    client = settings.client()
    if last is None:
        found = client.trace(what)
        if not found:
            hint = "Of conversations not named with --trace or --conversation, only some are recorded."
            raise Failure(f"nothing is recorded of a conversation {what}", "The oldest are forgotten first.", hint)
    else:
        found = client.last_traces(NAME.convert(what, None, click.get_current_context()), last)
    if settings.is_json:
        settings.print_json(found)
    else:
        show_conversations(settings.out(), found)


def new_name() -> str:
    """Return a name for a conversation that is to be recorded."""
    from secrets import token_hex  # with what computes digests, which few commands need

    return token_hex(8)


def show_conversations(console: Console, found: Sequence[Conversation]) -> None:
    """Print conversations, each as a table."""
    if not found:
        console.print("No conversations.")
    for number, conversation in enumerate(found):
        if number:
            console.print()
        console.print(Text(f"conversation {conversation.conversation}", style="bold"))
        table(console, COLUMNS, [_row(hop) for hop in conversation.hops])


def _row(hop: Hop) -> tuple[str, ...]:
    what = hop.kind.value if hop.count == 1 else f"{hop.kind.value} × {hop.count}"
    return fine_clock(hop.at_us), str(hop.sender), str(hop.target), what, f"{hop.took_us / 1000:.1f} ms", hop.outcome

"""Dead letters: shows them, sends them again, forgets them."""

from collections.abc import Sequence

import click

from orchestrator.cli.context import Settings, command
from orchestrator.cli.names import key_argument, reason_option
from orchestrator.cli.show import clock, table
from orchestrator.cli.terminal import Console
from orchestrator.contract.codes import FAILED, OK
from orchestrator.contract.documents import DeadLetterView
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import DeploymentKey
from orchestrator.observe.events import printable

SHOWN_MAX = 40  # characters of a payload in a table
COLUMNS = ("NUMBER", "DEPLOYMENT", "AT", "FROM", "SENT", "WHY", "PAYLOAD")


@command()
@key_argument
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1, type=click.IntRange(min=1))
@click.option("--discard", is_flag=True, help="Forget them instead.")
@reason_option
def replay(
    settings: Settings, name: DeploymentKey, numbers: tuple[int, ...], discard: bool, reason: str | None
) -> int:  # fmt: skip
    """Send a deployment's dead letters again, all of them or some. Each is kept until it was handled well."""
    client = settings.client()
    if discard:
        settings.err().print(f"{_counted(client.discard(name, numbers, reason))} discarded", style="dim")
        return OK
    resent = client.send_again(name, numbers, reason)
    going = "is on its way again" if resent.sent == 1 else "are on their way again"
    settings.err().print(f"{_counted(resent.sent)} {going}", style="dim")
    if resent.why:
        hint = "They are kept: `airs replay` again once there is room."
        raise Failure("not all of them are", resent.why, hint, FAILED)
    return OK


def _counted(letters: int) -> str:
    return f"{letters or 'no'} dead letter{'s' * (letters != 1)}"


def show_letters(console: Console, letters: Sequence[DeadLetterView]) -> None:
    """Print dead letters as a table."""
    if not letters:
        console.print("No dead letters.")
        return
    table(console, COLUMNS, [_row(letter) for letter in letters])


def _row(letter: DeadLetterView) -> tuple[str, ...]:
    why = f"{letter.reason}: {letter.detail}" if letter.detail else letter.reason
    sent = "again" if letter.sent_again else "once" if letter.attempts == 1 else f"{letter.attempts} times"
    return (
        str(letter.number), f"{letter.namespace}/{letter.deployment}", clock(letter.at), letter.sender, sent,
        printable(why), _beginning(letter.payload),
    )  # fmt: skip


def _beginning(payload: bytes) -> str:
    text = payload[: 4 * SHOWN_MAX].decode(errors="replace")
    return printable(text[:SHOWN_MAX]) + ("…" if len(text) > SHOWN_MAX or len(payload) > 4 * SHOWN_MAX else "")

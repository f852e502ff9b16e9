"""The differences of two worlds, printed: for `airs component diff` and `airs diff`."""

from orchestrator.cli.terminal import Console, Text
from orchestrator.interface.changes import Caller, ChangeKind, Comparison, Consequence, Side, WorldChange
from orchestrator.observe.events import printable

SIGNS = {ChangeKind.ADDED: ("+", "green"), ChangeKind.REMOVED: ("-", "red"), ChangeKind.CHANGED: ("~", "yellow")}
CALLERS = {Caller.AIRS: "calls through airs", Caller.LINKED: "linked components"}


def show_world_changes(console: Console, found: Comparison) -> None:
    """Print whether callers of the old component can call the new one, and every change with its consequences."""
    console.print(_verdict(found))
    for side in Side:
        changes = [change for change in found.changes if change.side is side]
        if changes:
            console.print(Text(f"\n{side.value}s", style="bold"))
        for change in changes:
            _show_change(console, change)


def _verdict(found: Comparison) -> Text:
    if not found.changes:
        return Text("compatible: nothing changed that can be seen from outside", style="bold green")
    if found.compatible:
        return Text("compatible: callers of the old one can call the new one", style="bold green")
    broken = " and ".join(CALLERS[caller] for caller in found.breaks)
    return Text.assemble(("breaking", "bold red"), f": {broken} of the old one do not all work with the new one")


def _show_change(console: Console, change: WorldChange) -> None:
    sign, style = SIGNS[change.kind]
    console.print(Text(f"  {sign} {change.what} {printable(change.name)}", style=style))
    for mark, text in (("was", change.old), ("now", change.new)):
        if text:
            console.print(Text(f"      {mark} {printable(text)}", style="dim"))
    for consequence in change.consequences:
        console.print(_told(consequence))


def _told(consequence: Consequence) -> Text:
    broken = " and ".join(CALLERS[caller] for caller in consequence.breaks)
    verdict = (f"  breaks {broken}", "red") if broken else ("", "")
    return Text.assemble(f"      {printable(consequence.text)}", verdict)

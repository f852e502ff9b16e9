"""`airs top`: two looks at the agent's counters → rates, one row per deployment, as a live table or as JSON.

The agent only counts; the rates between two looks are worked out here. A counter that has fallen began anew, with a
restarted agent or a deployment that was deleted and made again, and so counts from 0.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import click
import msgspec

from orchestrator.cli.context import Settings, command
from orchestrator.cli.durations import DURATION
from orchestrator.cli.keys import Pause, pausing
from orchestrator.cli.show import PHASE_STYLES, clock
from orchestrator.cli.terminal import Console, Live, Text
from orchestrator.cli.visible import document
from orchestrator.client import AgentClient, going
from orchestrator.contract.documents import DeploymentView, InstanceView
from orchestrator.model.base import Value
from orchestrator.model.observed import Traffic
from orchestrator.time_of_day import wall_ms

SHORTEST_MS = 10  # between two looks
WIDE = 100  # columns of a terminal that leave room for two spaces between columns
AROUND = 2  # lines of a screen that are no deployment's
COLUMNS = (
    "DEPLOYMENT", "READY", "IN/S", "HANDLED/S", "ERR/S", "WAITING", "RESTARTS", "FUEL/MSG", "MEMORY", "DEAD",
)  # fmt: skip
NAME_LEAST = 10  # columns of a name
UNFOLDED = 1_000  # columns where nobody looks at a screen
_STEP, _BYTE_STEP = 1000, 1024
_UNITS = "kMGTPEZYRQ"


class TopRow(Value, frozen=True):
    """One deployment: messages and calls a second since the last look, and how it is now.

    `fuel_per_message` is the average of those since the last look whose fuel was read, None if there was none.
    `restarts`, `memory_bytes` are those of its instances together; `dead_letters` are kept now.
    """

    namespace: str
    name: str
    phase: str
    ready: int
    replicas: int
    received_per_s: float
    handled_per_s: float
    errors_per_s: float
    waiting: int
    capacity: int
    restarts: int
    fuel_per_message: int | None
    memory_bytes: int
    dead_letters: int


class Top(Value, frozen=True):
    """The table of one look: when it was, in wall-clock milliseconds, and how long after the one before."""

    at: int
    interval_ms: float
    deployments: tuple[TopRow, ...]


class Look(msgspec.Struct, frozen=True):
    """The agent's answer, and when it came on both clocks."""

    at_ms: int
    at_s: float  # monotonic
    views: Sequence[DeploymentView]


Key = Callable[[TopRow], float]
ORDERS: dict[str, Key] = {
    "name": lambda row: 0,
    "in": lambda row: row.received_per_s,
    "handled": lambda row: row.handled_per_s,
    "errors": lambda row: row.errors_per_s,
    "waiting": lambda row: row.waiting,
    "restarts": lambda row: row.restarts,
    "fuel": lambda row: row.fuel_per_message or 0,
    "memory": lambda row: row.memory_bytes,
    "dead-letters": lambda row: row.dead_letters,
}


@command()
@click.option("--once", is_flag=True, help="Print one table and end; so it is where the output is no terminal.")
@click.option("--sort", type=click.Choice(list(ORDERS)), default="name", help="Sort by this, the most first.")
@click.option("--interval", type=DURATION, default="1s", help="How long between two looks.")
def top(settings: Settings, once: bool, sort: str, interval: int) -> None:
    """Show what all deployments are doing, live.

    Rates, mailboxes, restarts, fuel, memory; `q` ends it.

    With -o json, print a line for each look.
    """
    if interval < SHORTEST_MS:
        raise click.BadParameter(f"{interval}ms is too short: it is at least {SHORTEST_MS}ms", param_hint="--interval")
    out = settings.out()
    with pausing() as pause, going():
        looks = _compared(settings.client(), interval, pause)
        if settings.is_json:
            _print_lines(looks, sort, once)
        elif once or not out.is_drawable:
            for look in itertools.islice(looks, 1):
                _print_table(out, ordered(look, sort))
        else:
            _keep_showing(out, looks, sort)


def _compared(client: AgentClient, interval_ms: int, pause: Pause) -> Iterator[Top]:
    before = _look(client)
    while pause(interval_ms / 1000):
        now = _look(client)
        yield compared(before, now)
        before = now


def _look(client: AgentClient) -> Look:
    views = client.deployments()
    return Look(at_ms=wall_ms(), at_s=time.monotonic(), views=views)


def _print_lines(looks: Iterator[Top], sort: str, once: bool) -> None:
    for look in looks:
        click.echo(document(msgspec.json.encode(ordered(look, sort)), sys.stdout))
        if once:
            return


def _print_table(out: Console, look: Top) -> None:
    for line in page(look, UNFOLDED):
        out.print(line)


def _keep_showing(out: Console, looks: Iterator[Top], sort: str) -> None:
    with Live(out, screen=True) as live:
        live.show(Text("looking …", style="dim"))
        for look in looks:
            live.show([line for text in _fitting(out, ordered(look, sort)) for line in out.rendered(text)])


def compared(before: Look, now: Look) -> Top:
    """Work out what happened between two looks."""
    then = {(view.namespace, view.name): view for view in before.views}
    seconds = now.at_s - before.at_s
    rows = tuple(_row(then.get((view.namespace, view.name)), view, seconds) for view in now.views)
    return Top(at=now.at_ms, interval_ms=seconds * 1000, deployments=rows)


def _row(before: DeploymentView | None, now: DeploymentView, seconds: float) -> TopRow:
    traffic, earlier = now.traffic, Traffic() if before is None else before.traffic
    if traffic.received < earlier.received or traffic.handled < earlier.handled:
        before, earlier = None, Traffic()
    return TopRow(
        namespace=now.namespace,
        name=now.name,
        phase=now.phase,
        ready=now.ready,
        replicas=now.replicas,
        received_per_s=(traffic.received - earlier.received) / seconds,
        handled_per_s=(traffic.handled - earlier.handled) / seconds,
        errors_per_s=(traffic.errors - earlier.errors) / seconds,
        waiting=traffic.waiting,
        capacity=now.mailbox_capacity,
        restarts=now.restarts,
        fuel_per_message=_fuel_per_message(before.instances if before else (), now.instances),
        memory_bytes=sum(instance.memory_bytes for instance in now.instances),
        dead_letters=traffic.dead_letters,
    )


def _fuel_per_message(before: Sequence[InstanceView], now: Sequence[InstanceView]) -> int | None:
    then = {instance.name: (instance.metered_calls, instance.metered_fuel) for instance in before}
    calls = fuel = 0
    for instance in now:
        had_calls, had_fuel = then.get(instance.name, (0, 0))
        if had_calls > instance.metered_calls:  # another of the same name
            had_calls = had_fuel = 0
        calls += instance.metered_calls - had_calls
        fuel += instance.metered_fuel - had_fuel
    return round(fuel / calls) if calls else None


def ordered(look: Top, sort: str) -> Top:
    """Put the rows that have most of what is asked for first, others by name."""
    by = ORDERS[sort]
    rows = sorted(look.deployments, key=lambda row: (-by(row), row.namespace, row.name))
    return msgspec.structs.replace(look, deployments=tuple(rows))


def _fitting(out: Console, look: Top) -> list[Text]:
    """Draw as many rows as the screen has lines for, and say how many there are besides."""
    width, height = out.size
    shown = min(len(look.deployments), height - AROUND)
    while shown > 1 and len(page(look, width, shown)) > height:
        shown -= 1
    return page(look, width, max(shown, 1))


def page(look: Top, width: int, shown: int | None = None) -> list[Text]:
    """Draw the first rows of a look; of a name that is too long for the screen, the middle is left out."""
    if not look.deployments:
        return [Text("Nothing is deployed. `airs apply PATH` deploys a folder of manifests.")]
    count = len(look.deployments)
    told = f"{clock(look.at)}  {count} deployment{'s' * (count != 1)}, over {look.interval_ms / 1000:.1f} s"
    rows = [tuple(Text(name, style="bold") for name in COLUMNS), *map(_cells, look.deployments[:shown])]
    gap = " " * (2 if width >= WIDE else 1)
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    room = max(width - sum(each + len(gap) for each in widths[1:]), NAME_LEAST)
    drawn = [_drawn(row, [min(widths[0], room), *widths[1:]], gap) for row in rows]
    rest = [Text(f"… and {count - shown} more", style="dim")] if shown and shown < count else []
    return [Text(told, style="dim"), *drawn, *rest]


def _drawn(row: Sequence[Text], widths: Sequence[int], gap: str) -> Text:
    """Draw a row: a name to the left, numbers to the right of their columns."""
    name = _shortened(row[0], widths[0])
    line = name + Text(" " * (widths[0] - name.cell_len))
    for cell, width in zip(row[1:], widths[1:], strict=True):
        line = Text.assemble(line, gap, " " * (width - cell.cell_len), cell)
    return line


def _shortened(name: Text, room: int) -> Text:
    """Leave out the middle of a name that is too long: names of deployments differ at their begin and at their end."""
    length = len(name.plain)
    if length <= room:
        return name
    end = (room - 1) // 2
    return name.between(0, room - 1 - end) + Text("…") + name.between(length - end, length)


def _cells(row: TopRow) -> tuple[Text, ...]:
    full = row.capacity and row.waiting >= row.capacity
    return (
        Text(f"{row.namespace}/{row.name}", style=PHASE_STYLES.get(row.phase, "")),
        Text(f"{row.ready}/{row.replicas}"),
        Text(_rate(row.received_per_s)),
        Text(_rate(row.handled_per_s)),
        Text(_rate(row.errors_per_s), style="red" if row.errors_per_s else ""),
        Text(f"{short_number(row.waiting)}/{short_number(row.capacity)}", style="red" if full else ""),
        Text(str(row.restarts), style="yellow" if row.restarts else ""),
        Text("–" if row.fuel_per_message is None else short_number(row.fuel_per_message)),
        Text(short_number(row.memory_bytes, _BYTE_STEP)),
        Text(short_number(row.dead_letters), style="red" if row.dead_letters else ""),
    )


def _rate(per_s: float) -> str:
    return f"{per_s:.1f}" if 0 < per_s < 100 else short_number(round(per_s))


def short_number(number: int, step: int = _STEP) -> str:
    """Write a number in at most five characters: 999, 1k, 1.5k, 15k, 1.5M; in steps of 1024 for bytes."""
    if number < step:
        return str(number)
    power = 1
    while round(number / step**power) >= step:
        power += 1
    scaled = number / step**power
    exact = f"{scaled:.1f}" if scaled < 10 else f"{scaled:.0f}"
    return exact.removesuffix(".0") + _UNITS[power - 1]

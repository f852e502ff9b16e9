"""Two trees, or two settings, in turns: whether a change makes messages faster, on a machine that others use as well.

    python -m benchmarks.turns ../before                    this tree beside another
    python -m benchmarks.turns --set AIRS_CALLS=stock       this tree beside itself under another setting
    python -m benchmarks.turns ../before --python ../before/.venv/bin/python --rounds 41 request-16B

Each side is a process of its own, with an agent in it, that lives as long as all rounds. In each round each side runs
one slice of each case; which of them goes first alternates. A round's ratio compares slices that lay side by side, so
others' load is in both; the median of the ratios is told with its quartiles. Within the quartiles is noise. Where the
machine is never quiet, `--cpu` compares the processor time that calls take in the whole process, without any waiting.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.stage import Stage
    from orchestrator.model.ids import DeploymentKey

ROOT = Path(__file__).resolve().parent.parent
SERVE = "--serve"
FANS, ANSWERS, CALLS_OUT = 10, 64, 16
ROUNDS, SLICE_MS = 41, 20
WALL, CPU = "wall", "cpu"
CLOCKS = {WALL: time.perf_counter, CPU: time.process_time}
Act = Callable[[], object]


class Side(NamedTuple):
    """A process that runs slices when it is asked to: the tree it is of, its Python, and what its environment adds."""

    tree: Path
    python: Path
    settings: Mapping[str, str]


class Found(NamedTuple):
    """How many times as fast this side is as the other: the median of all rounds, and the quartiles about it."""

    case: str
    low: float
    median: float
    high: float

    def line(self) -> str:
        """Write it down."""
        verdict = "faster" if self.low > 1 else "slower" if self.high < 1 else "no difference beyond noise"
        return f"{self.case:<14} {self.median:>6.3f}x  ({self.low:.3f} to {self.high:.3f})  {verdict}"


class Server:
    """One running side."""

    def __init__(self, words: IO[str], answers: IO[str]) -> None:
        self._words, self._answers = words, answers

    def cases(self) -> list[str]:
        """Wait until it is ready; returns the cases it has."""
        return self._answers.readline().split()

    def rate(self, case: str, slice_ms: int, clock: str) -> float:
        """Run one slice; returns how many calls a second of that clock that were."""
        self._words.write(f"{case} {slice_ms} {clock}\n")
        self._words.flush()
        return float(self._answers.readline())


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the sides that the command line names, and print a line for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("other", nargs="?", type=Path, default=ROOT, metavar="TREE")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--python", type=Path, help="the other side's Python; that of its .venv unless it is named")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="for the other side")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    parser.add_argument("--slice", type=int, default=SLICE_MS, metavar="MS")
    parser.add_argument("--cpu", action="store_true", help="compare processor time")
    asked = parser.parse_args(arguments)
    tree = asked.other.resolve()
    other = Side(tree, asked.python or tree / ".venv/bin/python", dict(each.split("=", 1) for each in asked.set))
    ours = Side(ROOT, Path(sys.executable), {})
    for side, beside in ((ours, "here"), (other, "beside it")):
        print(f"{beside}: Python {built(side.python)}", file=sys.stderr)
    clock = CPU if asked.cpu else WALL
    for found in compared(ours, other, asked.cases, asked.rounds, asked.slice, clock):
        print(found.line(), flush=True)


def built(python: Path) -> str:
    """Say how a Python was built."""
    asked = [python, ROOT / "orchestrator" / "interpreter.py"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def compared(
    ours: Side, other: Side, wanted: Sequence[str], rounds: int, slice_ms: int, clock: str = WALL
) -> Iterator[Found]:
    """Run all rounds; yield what they come to, case by case.

    Raises:
        KeyError: a side does not have a case that is wanted.
    """
    with ExitStack() as running:
        sides = [running.enter_context(served(side)) for side in (ours, other)]
        common = set.intersection(*(set(side.cases()) for side in sides))
        if missing := [case for case in wanted if case not in common]:
            raise KeyError(f"not on both sides: {', '.join(missing)}; there are {', '.join(sorted(common))}")
        cases = list(wanted) or sorted(common)
        ratios: dict[str, list[float]] = {case: [] for case in cases}
        for number in range(rounds):
            for case in cases:
                ratios[case].append(_ratio(sides, case, slice_ms, clock, first=number % 2))
    for case, each in ratios.items():
        low, median, high = statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
        yield Found(case, low, median, high)


def _ratio(sides: Sequence[Server], case: str, slice_ms: int, clock: str, first: int) -> float:
    rates = [0.0, 0.0]
    for side in (first, 1 - first):
        rates[side] = sides[side].rate(case, slice_ms, clock)
    return rates[0] / rates[1]


@contextmanager
def served(side: Side) -> Iterator[Server]:
    """Have a side run, from its own tree, until the end."""
    environment = os.environ | {"PYTHONPATH": str(side.tree)} | side.settings
    with subprocess.Popen(
        [side.python, __file__, SERVE], cwd=side.tree, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        yield Server(process.stdin, process.stdout)


def serve(words: IO[str], answers: IO[str]) -> None:
    """Run slices of this tree as the words ask for them, until there are no more."""
    from benchmarks.stage import (
        running_agent,
    )  # of the tree that PYTHONPATH names, which may be another than this file's

    with running_agent() as stage:
        cases = _cases(stage)
        counts = {name: _calls_a_look(act) for name, act in cases.items()}
        answers.write(" ".join(cases) + "\n")
        answers.flush()
        for word in words:
            name, slice_ms, clock = word.split()
            answers.write(f"{_rate(cases[name], counts[name], int(slice_ms) / 1000, CLOCKS[clock])}\n")
            answers.flush()


def _cases(stage: "Stage") -> dict[str, Act]:
    from benchmarks import actors, calls
    from benchmarks.stage import GUEST, message

    sender = stage.deploy("sender", GUEST, "\n  grants: {messaging.send: [echo, fan]}")
    echo = stage.deploy("echo", GUEST)
    fan = stage.deploy("fan", GUEST, f"\n  replicas: {FANS}")
    stage.wait_ready(fan, FANS)
    small, large = calls.json_of(16), calls.json_of(1024)
    guest, sent = stage.guest(echo), message(small)
    return {
        "guest-16B": lambda: guest.handle(sent),
        "request-16B": calls.request_of(stage, sender, echo, small),
        "request-1KiB": calls.request_of(stage, sender, echo, large),
        "sends-64": calls.burst_of(stage, sender, echo, small),
        "fan-out-10": actors.all_of(stage, sender, fan, [small] * FANS),
        "ring-10": actors._ring(stage, FANS),
        "answers-64": _answers(stage, sender, echo, small),
        "calls-out-16": _calls_out(stage, large),
        "spawn": actors._spawn(stage, echo),
    }


def _answers(stage: "Stage", sender: "DeploymentKey", echo: "DeploymentKey", payload: bytes) -> Act:
    """Make requests of an instance and wait until it was given all their answers."""
    from benchmarks.stage import wait_until
    from orchestrator.model.ids import ComponentId

    requests, service = stage.agent.exchange.requests, stage.agent.fleet.services[sender]
    ((instance,),) = (one.members for one in service._sets.values())
    target = ComponentId(echo.namespace, echo.name)

    def act() -> None:
        requester = instance.guest_side.requester
        for _ in range(ANSWERS):
            requester.works_on(None, "")  # in no conversation that is recorded, as most
            requests.ask(requester, target, payload, 60_000)
        wait_until(lambda: not instance.guest_side.asks, every_s=0.0001)

    return act


def _calls_out(stage: "Stage", payload: bytes) -> Act:
    """Return a message by which a guest sends to nobody, many times."""
    from benchmarks.hostcalls import GRANTS
    from benchmarks.stage import GUEST, message

    guest = stage.guest(stage.deploy("caller", GUEST, GRANTS))
    sent = message(b"!send %d nobody " % CALLS_OUT + payload)
    return lambda: guest.handle(sent)


def _calls_a_look(act: Act) -> int:
    """Return how many calls are made between two looks at the clock: about half a millisecond of them."""
    act()
    began = time.perf_counter()
    for _ in range(3):
        act()
    return max(1, int(3 * 0.0005 / (time.perf_counter() - began)))


def _rate(act: Act, calls: int, slice_s: float, clock: Callable[[], float]) -> float:
    began = now = clock()
    made = 0
    while now - began < slice_s:
        for _ in range(calls):
            act()
        made += calls
        now = clock()
    return made / (now - began)


if __name__ == "__main__":
    if SERVE in sys.argv:
        sys.path.pop(0)  # this file's own folder
        serve(sys.stdin, sys.stdout)
    else:
        main()

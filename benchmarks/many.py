"""Many guests at once: deadlines, guests that wait, guests that compute, and what others notice of them.

Nothing stands beside these: stock wasmtime-py has no scheduler. Ratios are to the same work of one guest.
"""

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from benchmarks.measure import Effort, Row, Table
from benchmarks.stage import GUEST, LIMIT_S, Stage, message, replied, running_agent
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Exited, Outcome

SLEEPERS, SLEEP_MS = 1_000, 1_000
DEADLINE_MS, DEADLINES, BUSY_THREADS = 1_000, 8, 2
SHORT_CALLS, PAUSE_S = 1_000, 0.001
SPIN_S, SPINS = 0.25, 9
FLOOD = 10_000  # messages in one call
CORES = (2, 8)
CENTILE = 99
AT_ONCE = "\n  restart: {intensity: 1000, period: 1s, backoff: {initial: 1ms, max: 1ms}}"
NOTES = (
    f"Deadlines: a guest that computes for ever, {DEADLINES} times, from its message's sending until the sender "
    f"hears how it ended, while {BUSY_THREADS} Python threads compute.",
    f"Short calls: 16 B echoed, one every {PAUSE_S * 1e3:g} ms; how much longer {CENTILE} of 100 take at most than the "
    "median of those without anybody beside.",
    f"Waiting: `sleep-millis({SLEEP_MS})`.",
    f"Flooding: a guest sends {FLOOD} messages in one call, and again; each is handled by another, or makes way.",
    "Computing: the same number of rounds in each guest.",
)


def measure(effort: Effort) -> Table:
    """Measure all of it; with little effort, for hardly any time."""
    scale = effort.scale or 0.02
    with running_agent() as stage:
        echo = stage.deploy("echo", GUEST)
        spinner_rounds = _rounds(stage, echo, SPIN_S * scale)
        rows, figures = _deadlines(stage, effort, max(1, round(DEADLINE_MS * scale)))
        sleeping = _sleepers(stage, echo, effort, max(1, round(SLEEP_MS * scale)))
        computing = _beside_spinner(stage, echo, effort, spinner_rounds)
        flooded = _beside_flood(stage, echo, effort)
        cores = _cores(stage, effort, spinner_rounds)
    for more_rows, more_figures in (sleeping, computing, flooded, cores):
        rows, figures = [*rows, *more_rows], figures | more_figures
    have = os.cpu_count() or 1
    skipped = {f"cores-{count}": f"this machine has {have}" for count in CORES if count > have}
    return Table("Many guests at once", tuple(rows), NOTES, figures, skipped)


Found = tuple[list[Row], dict[str, float]]


def _deadlines(stage: Stage, effort: Effort, limit_ms: int) -> Found:
    key = stage.deploy("endless", GUEST, f"{AT_ONCE}\n  limits: {{timeout: {limit_ms}ms}}")
    took: list[float] = []
    with _busy_threads(BUSY_THREADS):
        for _ in range(effort.few(DEADLINES)):
            stage.wait_ready(key, 1)  # again, after the last one ended it
            began = time.perf_counter()
            outcome = _wait(_send(stage, key, b"!spin 1000000000000000"))
            took.append(time.perf_counter() - began)
            assert isinstance(outcome, Exited), outcome
            assert outcome.reason.kind is ExitKind.DEADLINE, outcome
    limit_s = limit_ms / 1e3
    rows = [Row(f"a deadline of {limit_ms} ms, earliest", min(took)), Row("the same, latest", max(took))]
    return rows, {"deadline-earliest": min(took) / limit_s, "deadline-late": (max(took) - limit_s) * 1e3}


@contextmanager
def _busy_threads(count: int) -> Iterator[None]:
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(1_000))

    threads = [threading.Thread(target=compute) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _sleepers(stage: Stage, echo: DeploymentKey, effort: Effort, sleep_ms: int) -> Found:
    count = effort.few(SLEEPERS)
    key = stage.deploy("sleepers", GUEST, f"\n  replicas: {count}\n  mailbox: {{capacity: {count}}}")
    stage.wait_ready(key, count)
    order = b"!sleep %d" % sleep_ms
    alone = _until_all(stage, key, order, 1)
    together = _until_all(stage, key, order, count)
    median = statistics.median(_short_calls(stage, echo, effort.few(SHORT_CALLS)))
    asleep = [_send(stage, key, order) for _ in range(count)]
    beside = _short_calls(stage, echo, effort.few(SHORT_CALLS) // 2 + 1)
    for answer in asleep:
        replied(_wait(answer))
    late = _centile(beside) - median
    rows = [
        Row(f"{count} guests wait for {sleep_ms} ms, all are done", together, "one of them", alone),
        Row("a short call beside them, how much later", max(late, 1e-9)),
    ]
    return rows, {"sleepers": together / alone, "beside-sleepers": late * 1e3}


def _beside_spinner(stage: Stage, echo: DeploymentKey, effort: Effort, rounds: int) -> Found:
    key, calls = stage.deploy("spinner", GUEST), effort.few(SHORT_CALLS)
    median = statistics.median(_short_calls(stage, echo, calls))
    late = _centile(_calls_beside(stage, echo, calls, key, b"!spin %d" % rounds)) - median
    row = Row("a short call beside one that computes, how much later", max(late, 1e-9))
    return [row], {"beside-spinner": late * 1e3}


def _beside_flood(stage: Stage, echo: DeploymentKey, effort: Effort) -> Found:
    sink = stage.deploy("sink", GUEST, f"\n  mailbox: {{capacity: {FLOOD}, whenFull: drop-oldest}}")
    key, calls = stage.deploy("flooding", GUEST, "\n  grants: {messaging.send: [sink]}"), effort.few(SHORT_CALLS)
    median = statistics.median(_short_calls(stage, echo, calls))
    late = _centile(_calls_beside(stage, echo, calls, key, b"!send %d sink x" % FLOOD)) - median
    assert stage.agent.fleet.services[sink].route.traffic().received >= FLOOD
    row = Row("a short call beside one that sends and one that gets all that, how much later", max(late, 1e-9))
    return [row], {"beside-flood": late * 1e3}


def _calls_beside(stage: Stage, echo: DeploymentKey, count: int, key: DeploymentKey, order: bytes) -> list[float]:
    """Say how long short calls take while another actor is always at work on an order."""
    working, took = _send(stage, key, order), [0.0]
    while len(took) <= count:
        if not working.empty():
            replied(working.get())
            working = _send(stage, key, order)
        took += _short_calls(stage, echo, 10)
    replied(_wait(working))
    return took[1:]


def _cores(stage: Stage, effort: Effort, rounds: int) -> Found:
    rows, figures = [], {}
    for count in CORES:
        if count > (os.cpu_count() or 1):
            continue
        key = stage.deploy(f"cores-{count}", GUEST, f"\n  replicas: {count}")
        stage.wait_ready(key, count)
        order, one, together = b"!spin %d" % rounds, [], []
        for _ in range(effort.few(SPINS)):
            one.append(_until_all(stage, key, order, 1))
            together.append(_until_all(stage, key, order, count))
        in_turn, at_once = count * statistics.median(one), statistics.median(together)
        rows.append(Row(f"{count} guests compute at once", at_once, "one after the other", in_turn))
        figures[f"cores-{count}"] = in_turn / at_once
    return rows, figures


def _rounds(stage: Stage, key: DeploymentKey, wanted_s: float) -> int:
    rounds = 100_000
    while (took := _until_all(stage, key, b"!spin %d" % rounds, 1)) < 0.02:
        rounds *= 2
    return max(1, int(rounds * wanted_s / took))


def _until_all(stage: Stage, key: DeploymentKey, order: bytes, count: int) -> float:
    began = time.perf_counter()
    answers = [_send(stage, key, order) for _ in range(count)]
    for answer in answers:
        replied(_wait(answer))
    return time.perf_counter() - began


def _short_calls(stage: Stage, key: DeploymentKey, count: int) -> list[float]:
    took = []
    for _ in range(count):
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        _wait(_send(stage, key, b"0123456789abcdef"))
        took.append(time.perf_counter() - began)
    return took


def _send(stage: Stage, key: DeploymentKey, payload: bytes) -> SimpleQueue[Outcome]:
    answers: SimpleQueue[Outcome] = SimpleQueue()
    refused = stage.agent.exchange.router.deliver(key, Envelope(message(payload), answers.put))
    assert refused is None, refused
    return answers


def _wait(answers: SimpleQueue[Outcome]) -> Outcome:
    return answers.get(timeout=LIMIT_S)


def _centile(took: list[float]) -> float:
    return sorted(took)[min(len(took) - 1, len(took) * CENTILE // 100)]

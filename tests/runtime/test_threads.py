"""Host functions that fail on eight threads at once: whose exception each caller gets.

`WasmtimePy` drives the guest with wasmtime's binding as it comes, whose exceptions pass through one global.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from wasmtime import Engine, Store, WasmtimeError
from wasmtime import component as wc

from orchestrator.model.calls import Calls
from orchestrator.model.message import Replied, Returned
from orchestrator.runtime import Runtime
from tests.runtime.guests import CALLS_HOST, FAULTY, calls, message, start, told, wasm

THREADS = 8
ROUNDS = 2_000
CALLING = wasm(CALLS_HOST)

Call = Callable[[int], Any]  # makes one call in an instance of its own; what came of it


def wasmtime_py(host: Callable[[int], int]) -> Call:
    engine = Engine()
    linker, component = wc.Linker(engine), wc.Component(engine, CALLING)
    with linker.root() as root, root.add_instance("test:host/calls") as instance:
        instance.add_func("call", lambda _store, n: host(n))

    def call(n: int) -> Any:
        store = Store(engine)
        function = linker.instantiate(store, component).get_func(store, "call")
        try:
            return function(store, n)
        except (ValueError, WasmtimeError) as problem:
            return str(problem)

    return call


def ours(way: Calls, host: Callable[[int], int]) -> Call:
    runtime = Runtime(None, calls(lambda _context, n: host(n)), calls=way)

    def call(n: int) -> Any:
        answer = start(runtime, CALLING).call("call", [n])
        return answer.value if isinstance(answer, Returned) else answer.reason.detail

    return call


def mixed_up(make: Callable[[Callable[[int], int]], Call], rounds: int) -> int:
    """Count the calls that end with another's result or exception, when all threads are in a host function at once."""
    together = threading.Barrier(THREADS)

    def host(n: int) -> int:
        together.wait()
        if n % 2:
            raise ValueError(f"mine is {n}.")
        return n

    call = make(host)

    def work(first: int) -> int:
        answers = {n: call(n) for n in range(first, first + rounds)}
        return sum(f"mine is {n}." not in str(answer) if n % 2 else answer != n for n, answer in answers.items())

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, range(0, THREADS * 1_000, 1_000)))


def test_wasmtimes_binding_mixes_exceptions_up():
    assert mixed_up(wasmtime_py, 200) > 0


@pytest.mark.parametrize("way", Calls)
def test_no_caller_of_ours_gets_anothers_result_or_exception(way):
    assert mixed_up(lambda host: ours(way, host), 200) == 0


@pytest.fixture
def hurried() -> Iterator[None]:
    """Have Python threads change as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("way", Calls)
def test_instances_of_one_component_that_call_different_host_functions_get_each_their_own(way):
    log: list[Any] = []
    values: dict[str, bytes] = {}
    runtime = Runtime(None, told(log, values), calls=way)
    data = FAULTY.read_bytes()
    orders = ("load key", "store key value", "send other text", "publish a text")

    def work(order: str) -> Any:
        return start(runtime, data).handle(message(f"repeat {ROUNDS} {order}"))

    with ThreadPoolExecutor(len(orders)) as pool:
        answers = [*pool.map(work, orders)]
    assert [type(answer) for answer in answers] == [Replied] * len(orders), answers
    assert values == {"key": b"value"}
    assert sorted(entry[0] for entry in log) == ["publish"] * ROUNDS + ["send"] * ROUNDS
    runtime.close()

"""Whether a process that does not answer is at work: real processes that compute, wait, or are stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from orchestrator.client.process import Pulse, is_busy, is_stopped, pulse, why_silent


def sees(code: str, wanted: Callable[[Pulse | None, Pulse | None], bool], number: int = 0) -> bool:
    """Look at a process until two looks at it are as wanted."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline()
        if number:
            os.kill(child.pid, number)
        try:
            before, deadline = pulse(child.pid), time.monotonic() + 30
            while time.monotonic() < deadline:
                time.sleep(0.1)  # between two looks
                now = pulse(child.pid)
                if wanted(before, now):
                    return True
                before = now
        finally:
            child.kill()
    return False


def test_a_process_that_computes_is_busy():
    assert sees("print(1, flush=True)\nwhile True: pass", is_busy)


WAITING = ("import time; time.sleep(60)", "import threading; l = threading.Lock(); l.acquire(); l.acquire()")


@pytest.mark.parametrize("waits", WAITING)
def test_a_process_that_waits_is_not(waits):
    assert sees(f"print(1, flush=True)\n{waits}", lambda before, now: now.state == "S" and not is_busy(before, now))


def test_a_stopped_process_is_known_as_such_though_it_was_computing():
    def is_so(before: Pulse | None, now: Pulse | None) -> bool:
        return is_stopped(now) and not is_busy(before, now) and "stopped" in why_silent(now)

    assert sees("print(1, flush=True)\nwhile True: pass", is_so, signal.SIGSTOP)


def test_of_a_process_that_is_gone_nothing_is_known():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert pulse(child.pid) is None
    assert not is_busy(pulse(os.getpid()), None)

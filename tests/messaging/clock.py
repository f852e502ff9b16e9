"""A clock that a test moves."""

from collections.abc import Callable


class TestClock:
    __test__ = False

    def __init__(self) -> None:
        self.now_ms = 1_000
        self._calls: list[tuple[int, Callable[[], None]]] = []

    def monotonic_ms(self) -> int:
        return self.now_ms

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> None:
        self._calls.append((self.now_ms + delay_ms, call))

    def pass_time(self, milliseconds: int) -> None:
        self.now_ms += milliseconds
        due = [call for at, call in self._calls if at <= self.now_ms]
        self._calls = [(at, call) for at, call in self._calls if at > self.now_ms]
        for call in due:
            call()

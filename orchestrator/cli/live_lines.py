"""Lines about work that goes on in this process while a block runs, drawn anew while somebody looks."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from orchestrator.cli.terminal import Console, Live

LOOK_S = 0.1


class LiveLines:
    """The lines of what is under way, by a key each. Any thread may put and drop them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._lines: dict[str, Callable[[], str]] = {}
        self._over = threading.Event()
        self._shown: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._shown is not None:
            self._shown.join()

    def put(self, key: str, line: Callable[[], str]) -> bool:
        """Draw a line from now on, asked for each time; False on a console where nothing can be drawn."""
        with self._lock:
            self._lines[key] = line
            if self.console.is_drawable and self._shown is None:
                self._shown = threading.Thread(target=self._show, daemon=True)
                self._shown.start()
        return self.console.is_drawable

    def drop(self, key: str) -> None:
        """Draw a line no more, if there is one."""
        with self._lock:
            self._lines.pop(key, None)

    def _show(self) -> None:
        with Live(self.console) as live:
            while not self._over.wait(LOOK_S):
                with self._lock:
                    lines = [*self._lines.values()]
                live.show("\n".join(line() for line in lines))

"""Shows that a component is being compiled in this process: moving on a terminal, one line where nobody looks.

`reading` hands `Progress.heard` to the runtime, which tells it on the thread that compiles.
"""

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from orchestrator.cli.terminal import Console, Live
from orchestrator.model.compiling import MIB, SHOWN_BYTES, Compiling
from orchestrator.observe.events import printable

if TYPE_CHECKING:
    from orchestrator.contract.documents import CompilingView

LOOK_S = 0.1


class Progress:
    """Compilations while the block runs, shown as they go on; nothing is shown of small components."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float]] = {}
        self._over = threading.Event()
        self._shown: threading.Thread | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._shown is not None:
            self._shown.join()

    def heard(self, compiling: Compiling) -> None:
        """Show that a compilation begins, or that it is over."""
        if compiling.size_bytes < SHOWN_BYTES:
            return
        name = printable(compiling.name or compiling.artifact)
        what = f"Compiling {name} ({compiling.size_bytes / MIB:.1f} MiB)"
        with self._lock:
            if compiling.took_s is not None:
                self._running.pop(compiling.artifact, None)
                return
            self._running[compiling.artifact] = (what, time.monotonic())
            if not self._console.is_drawable:
                self._console.print(what)
            elif self._shown is None:
                self._shown = threading.Thread(target=self._show, daemon=True)
                self._shown.start()

    def _show(self) -> None:
        with Live(self._console) as live:
            while not self._over.wait(LOOK_S):
                with self._lock:
                    running = [*self._running.values()]
                live.show("\n".join(f"{what}  {time.monotonic() - began:.0f} s" for what, began in running))


def under_way(compiling: "CompilingView") -> str:
    """Describe a compilation of the agent in a few words."""
    return f"compiling ({compiling.size_bytes / MIB:.1f} MiB, {compiling.elapsed_ms // 1000} s so far)"

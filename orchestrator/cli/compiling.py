"""Shows that a component is being compiled in this process: moving on a terminal, one line where nobody looks.

`reading` hands `Progress.heard` to the runtime, which tells it on the thread that compiles.
"""

from types import TracebackType

from rich import progress
from rich.console import Console
from rich.text import Text

from orchestrator.agent.compilations import MIB, SHOWN_BYTES
from orchestrator.contract.documents import CompilingView
from orchestrator.model.compiling import Compiling
from orchestrator.observe.events import printable


class Progress:
    """What is compiled while the block runs; nothing is shown of small components."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            progress.SpinnerColumn(), progress.TextColumn("{task.description}", markup=False),
            progress.TimeElapsedColumn(),
        )  # fmt: skip
        self._live = progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, progress.TaskID] = {}

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def heard(self, compiling: Compiling) -> None:
        """Show that a compilation begins, or that it is over."""
        if compiling.size_bytes < SHOWN_BYTES:
            return
        if compiling.took_s is not None:
            self._live.remove_task(self._tasks.pop(compiling.artifact))
            return
        name = printable(compiling.name or compiling.artifact)
        what = f"Compiling {name} ({compiling.size_bytes / MIB:.1f} MiB)"
        if not self._console.is_terminal:
            self._console.print(Text(what))
        self._live.start()
        self._tasks[compiling.artifact] = self._live.add_task(what, total=None)


def under_way(compiling: CompilingView) -> str:
    """Describe a compilation of the agent in a few words."""
    return f"compiling ({compiling.size_bytes / MIB:.1f} MiB, {compiling.elapsed_ms // 1000} s so far)"

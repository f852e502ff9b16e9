"""Shows that a component is being compiled in this process: moving on a terminal, one line where nobody looks.

`reading` hands `Progress.heard` to the runtime, which tells it on the thread that compiles.
"""

import time
from typing import TYPE_CHECKING

from orchestrator.cli.live_lines import LiveLines
from orchestrator.model.compiling import MIB, SHOWN_BYTES, Compiling
from orchestrator.observe.events import printable

if TYPE_CHECKING:
    from orchestrator.contract.documents import CompilingView


class Progress(LiveLines):
    """Compilations while the block runs, shown as they go on; nothing is shown of small components."""

    def heard(self, compiling: Compiling) -> None:
        """Show that a compilation begins, or that it is over."""
        if compiling.size_bytes < SHOWN_BYTES:
            return
        if compiling.took_s is not None:
            self.drop(compiling.artifact)
            return
        name = printable(compiling.name or compiling.artifact)
        what, began = f"Compiling {name} ({compiling.size_bytes / MIB:.1f} MiB)", time.monotonic()
        if not self.put(compiling.artifact, lambda: f"{what}  {time.monotonic() - began:.0f} s"):
            self.console.print(what)


def under_way(compiling: "CompilingView") -> str:
    """Describe a compilation of the agent in a few words."""
    return f"compiling ({compiling.size_bytes / MIB:.1f} MiB, {compiling.elapsed_ms // 1000} s so far)"

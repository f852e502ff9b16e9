"""The answer to Ctrl-C: exit code 130, and a word on the work that goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.cli.terminal import Console


@contextmanager
def telling(console: Console, what_goes_on: str) -> Iterator[None]:
    """Say what goes on if the block is interrupted, and let the interruption pass."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(what_goes_on, "yellow")
        raise

"""A compilation, as told of while it is under way."""

from orchestrator.model.base import Value


class Compiling(Value, frozen=True):
    """A compilation that has begun (`took_s` None), or is over after so many seconds, however it ended."""

    artifact: str
    size_bytes: int
    name: str = ""  # what whoever asked for it calls it
    took_s: float | None = None

"""A compilation, as told of while it is under way."""

from orchestrator.model.base import Value

MIB = 1 << 20
SHOWN_BYTES = 256 << 10  # an artifact below is compiled before anybody could look


class Compiling(Value, frozen=True):
    """A compilation that has begun (`took_s` None), or is over after so many seconds, however it ended."""

    artifact: str
    size_bytes: int
    name: str = ""  # as the caller that asked for it names it
    took_s: float | None = None

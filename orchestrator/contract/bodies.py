"""What requests carry in their bodies, and the limits of what is sent."""

from typing import Annotated, Any

import msgspec

from orchestrator.model.base import Value
from orchestrator.model.ids import NAME_MAX_LENGTH, NAME_PATTERN

JSON = "application/json"
JSON_LINES = "application/x-ndjson"
NO_REPLY = "airs-no-reply"  # header of an empty answer that means `none`
CALL_MAX_BYTES = 4 << 20
MANY_MAX = 10_000  # messages sent in one request
MANY_MAX_BYTES = 4 << 20
ARGUMENTS_MAX = 256  # of a run, as in a manifest
Argument = Annotated[str, msgspec.Meta(max_length=4_096, pattern="^[^\\x00]*$")]
Many = Annotated[list[bytes], msgspec.Meta(max_length=MANY_MAX)]


class CallBody(Value, frozen=True):
    """A typed call."""

    function: str
    arguments: list[Any]
    session: Annotated[str, msgspec.Meta(max_length=NAME_MAX_LENGTH, pattern=NAME_PATTERN)] | None = None


class RunBody(Value, frozen=True):
    """A run of a job; without arguments, it takes those of its manifest."""

    arguments: Annotated[tuple[Argument, ...], msgspec.Meta(max_length=ARGUMENTS_MAX)] | None = None

"""The ways that calls go into guests and out of them; what each is, `runtime/path.py` says."""

from enum import Enum

from orchestrator.model.base import Value


class Calls(Enum):
    """Ours, which depends on how wasmtime lays out its values, and the one that depends on its binding only."""

    FAST = "fast"
    STOCK = "stock"


class Place(Enum):
    """Where an actor's adapter is: within its component, where it copies payloads as blocks, beside it, or nowhere."""

    WITHIN = "within"
    BESIDE = "beside"
    NONE = "none"


class Adapter(Value, frozen=True):
    """How messages reach an actor, and why not by an adapter within it where they do not."""

    place: Place
    why: str = ""


class UnknownLayout(Exception):
    """The installed wasmtime is made in another way than what was about to use it was written for."""

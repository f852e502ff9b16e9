"""The ways that calls go into guests and out of them; `runtime/engine/path.py` says what each is."""

from enum import Enum

from orchestrator.model.base import Value


class Calls(Enum):
    """Ours, by an extension or by ctypes, which depend on how wasmtime lays out its values; and by its binding only.

    The quickest first.
    """

    NATIVE = "native"
    FAST = "fast"
    STOCK = "stock"


class AdaptedAt(Enum):
    """Where an actor's adapter is; one within its component copies payloads as blocks. In the order preferred."""

    WITHIN = "within"
    PARTLY = "partly"  # within for messages, beside for its calls out
    BESIDE = "beside"
    NONE = "none"


class Adapter(Value, frozen=True):
    """How messages reach an actor, and why it has not more of its adapter within it."""

    place: AdaptedAt
    why: str = ""


class UnknownLayout(Exception):
    """The installed wasmtime is made in another way than the code that was about to use it expects."""

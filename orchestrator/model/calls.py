"""The ways that calls go into guests and out of them; what each is, `runtime/path.py` says."""

from enum import Enum


class Calls(Enum):
    """Ours, which depends on how wasmtime lays out its values, and the one that depends on its binding only."""

    FAST = "fast"
    STOCK = "stock"


class UnknownLayout(Exception):
    """The installed wasmtime is made in another way than what was about to use it was written for."""

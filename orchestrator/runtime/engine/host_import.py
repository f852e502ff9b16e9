"""Host functions, and the values they may raise or return besides plain ones (`model.plain`)."""

from collections.abc import Callable
from typing import Any

import msgspec


class GuestTrap(Exception):
    """Raised by a host function to trap the guest that called it, with the reason people will read."""


class Wait(msgspec.Struct, frozen=True):
    """Returned by a host function that `waits`: the guest goes on after so many seconds, with `value` as the result.

    The wait counts against the call's deadline, which ends it, as an interruption does. `arrange` is given what ends it
    sooner, to be called from any thread, and says False where it is over already.
    """

    seconds: float
    value: Any = None
    arrange: Callable[[Callable[[], None]], bool] | None = None


class Current:
    """The work of an instance, as far as its host functions need to know; written by the guest around its calls."""

    __slots__ = ("topic",)

    def __init__(self) -> None:
        self.topic: str | None = None  # that the message was published under


class HostImport(msgspec.Struct, frozen=True):
    """One function of an interface that guests may import: `call(context, *values)`.

    It returns the plain value of its WIT result (`Ok` or `Err` where that is a `result`), or raises `GuestTrap`. One
    that `waits` may return a `Wait` around its value instead, and must not block. Several threads may call it at once,
    each with another instance's context.
    """

    interface: str
    function: str
    call: Callable[..., Any]
    waits: bool = False

    @property
    def name(self) -> str:
        """`interface#function`, as in messages."""
        return f"{self.interface}#{self.function}"

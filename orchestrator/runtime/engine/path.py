"""Which way calls go into guests and out of them: our own, or through wasmtime's binding as it comes.

`Runtime` decides once, when it is made. The fast path writes wasmtime's values itself, and so depends on how these are
laid out. The stock path (`runtime/stock`) depends on nothing but what the binding declares: it runs where that layout
is another one, or where somebody asks for it.
"""

import msgspec

from orchestrator.model.calls import Calls, UnknownLayout
from orchestrator.runtime.engine import capi


class Path(msgspec.Struct, frozen=True):
    """The way that is taken, and why it is not the fast one; empty when it is."""

    calls: Calls
    why: str = ""


def chosen(asked: Calls = Calls.FAST) -> Path:
    """Decide which way calls go; `asked` is the setting."""
    try:
        capi.check_layout()
    except UnknownLayout as unknown:
        return Path(Calls.STOCK, str(unknown))
    return Path(Calls.FAST) if asked is Calls.FAST else Path(Calls.STOCK, "it was asked for")

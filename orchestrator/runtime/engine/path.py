"""Which way calls go into guests and out of them: our own, in C or by ctypes, or wasmtime's binding as it comes.

`Runtime` decides once, when it is made. Our own write wasmtime's values themselves, and so depend on how these are laid
out: the native path by an extension that is there where it was built, the fast path by ctypes. The stock path
(`runtime/stock`) depends on nothing but what the binding declares: it runs where that layout is another one, or where
somebody asks for it.
"""

import msgspec

from orchestrator.model.calls import Calls, UnknownLayout
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.crossing import extension

_ASKED = "it was asked for"


class Path(msgspec.Struct, frozen=True):
    """The way that is taken, and why it is not the quickest; empty when it is."""

    calls: Calls
    why: str = ""


def chosen(asked: Calls = Calls.NATIVE) -> Path:
    """Decide which way calls go; `asked` is the setting."""
    try:
        capi.check_layout()
    except UnknownLayout as unknown:
        return Path(Calls.STOCK, str(unknown))
    if asked is not Calls.NATIVE:
        return Path(asked, _ASKED)
    try:
        extension()
    except UnknownLayout as unknown:
        return Path(Calls.FAST, str(unknown))
    return Path(Calls.NATIVE)

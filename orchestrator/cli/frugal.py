"""Imports click and msgspec without what they ask for and hardly ever need: it would double the time to start.

Called once, before anything else of the command line is imported; where they are imported already, it does nothing.
"""

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

UNNEEDED = ("typing_extensions",)  # msgspec asks it for what `typing` has had since Python 3.11


class Undisturbed:
    """A context in which nobody looks for garbage: imports leave none, and looking takes a tenth of their time.

    Objects that exist at its end stay for as long as the process does, and are not looked at later either.
    """

    def __init__(self) -> None:
        self._is_ours = False

    def __enter__(self) -> None:
        self._is_ours = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            gc.freeze()
            gc.enable()


class Inspect(ModuleType):
    """Stands for `inspect`, of which click wants one function for the help of every option."""

    @staticmethod
    def cleandoc(doc: str) -> str:
        """Do as `inspect.cleandoc`."""
        first, *rest = doc.expandtabs().split("\n")
        margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
        return "\n".join([first.lstrip(), *(line[margin:] if line.strip() else "" for line in rest)]).strip("\n")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def import_frugally() -> None:
    """Import click and msgspec; afterwards, the modules they were kept from can be imported."""
    names: dict[str, ModuleType | None] = {"inspect": Inspect("inspect"), **dict.fromkeys(UNNEEDED)}
    absent = {name: stand_in for name, stand_in in names.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]  # None is Python's own way to say that there is none
    try:
        import_module("msgspec")
        import_module("click")
    finally:
        for name, stand_in in absent.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]

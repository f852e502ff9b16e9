"""How a Python was built, and whether that costs: asked by `airs doctor`, the agent, the benchmarks and `.ci/venv`.

It needs nothing that is not of Python itself, as `.ci/venv` asks before anything is installed.
"""

import platform
import sys
import sysconfig
from typing import NamedTuple

DISTRIBUTION = "/usr"  # where Linux distributions install
COSTS = "built without --enable-optimizations: commands and messages take up to half as long again"


class Interpreter(NamedTuple):
    """A Python, and whether it was compiled with profiles of itself."""

    version: str
    is_optimised: bool

    @property
    def costs(self) -> str:
        """Say why it is slow; empty where it is not."""
        return "" if self.is_optimised else COSTS

    def __str__(self) -> str:
        return f"{self.version}, {self.costs or 'an optimised build'}"


def found() -> Interpreter:
    """Describe the Python that runs this."""
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return Interpreter(platform.python_version(), is_optimised(configured, sys.base_prefix))


def is_optimised(configured: str, prefix: str) -> bool:
    """Tell by what a Python was configured with and where it lies: distributions optimise theirs, and do not say so."""
    return prefix == DISTRIBUTION or "--enable-optimizations" in configured


if __name__ == "__main__":  # how another Python than the one that asks was built
    print(found())  # noqa: T201

"""The view that a process has of the machine's files, so that an agent can tell whether a command sees the same.

Both ends ask `standpoint` of themselves. Two processes with equal standpoints find the same files under the same paths,
and may read the same of them.
"""

import os

from orchestrator.model.base import Value

_NAMESPACES = ("mnt", "user")


class Standpoint(Value, frozen=True):
    """The user, groups and capabilities of a process, its namespaces, and the directory that is `/` to it."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: str
    namespaces: tuple[int, ...]
    root: tuple[int, int]


def standpoint() -> Standpoint | None:
    """Return the standpoint of this process; None where the system does not tell."""
    try:
        root = os.stat("/")
        return Standpoint(
            uid=os.geteuid(),
            gid=os.getegid(),
            groups=tuple(sorted(os.getgroups())),
            capabilities=_capabilities(),
            namespaces=tuple(os.stat(f"/proc/self/ns/{name}").st_ino for name in _NAMESPACES),
            root=(root.st_dev, root.st_ino),
        )
    except OSError:
        return None


def _capabilities() -> str:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return next((line.split()[1] for line in status if line.startswith("CapEff:")), "")

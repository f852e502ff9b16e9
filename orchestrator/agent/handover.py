"""A listening socket from one process to the next, and news to whoever manages services, as systemd has both.

An agent may be handed its listener as descriptor 3: by systemd, which listens before any agent runs, or by itself, when
it replaces its process by a newer airs. Callers wait meanwhile, and are not refused.
"""

import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from typing import NamedTuple

FIRST_DESCRIPTOR = 3  # by sd_listen_fds(3)
OWN = "airs-own"  # the name of a listener that an agent handed to itself
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Handed(NamedTuple):
    """A listener that was handed over; `is_own` where an agent did, so that its path is the agent's to remove."""

    listener: socket.socket
    is_own: bool


class HandoverRefused(Exception):
    """A descriptor that was handed over and is no listening Unix socket."""


def take_listener(variables: MutableMapping[str, str]) -> Handed | None:
    """Take the listener that this process was handed, once; None where it was handed none.

    Raises:
        HandoverRefused: it was handed something else.
    """
    meant = {name: variables.pop(name) for name in _VARIABLES if name in variables}
    if meant.get("LISTEN_PID") != str(os.getpid()) or not meant.get("LISTEN_FDS"):
        return None
    if meant["LISTEN_FDS"] != "1":
        raise HandoverRefused(f"{meant['LISTEN_FDS']} sockets were handed over, and an agent has one")
    try:
        listener = socket.socket(fileno=FIRST_DESCRIPTOR)
    except OSError as problem:
        raise HandoverRefused(
            f"descriptor {FIRST_DESCRIPTOR}, which was handed over, is no socket: {problem}"
        ) from None
    listener.set_inheritable(False)
    if listener.family != socket.AF_UNIX or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.detach()
        raise HandoverRefused(f"descriptor {FIRST_DESCRIPTOR}, which was handed over, does not listen on a Unix socket")
    return Handed(listener, meant.get("LISTEN_FDNAMES") == OWN)


def replace_process(listener: socket.socket, command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Become another program, which is handed the listener. Does not return.

    Raises:
        OSError: there is no such program.
    """
    os.dup2(listener.fileno(), FIRST_DESCRIPTOR, inheritable=True)
    handed = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": OWN}
    os.execve(command[0], [*command], {**variables, **handed})  # noqa: S606 — its own command


def tell_manager(state: str) -> None:
    """Tell whoever manages this service of a state such as `READY=1`; nobody where nobody asked."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)

"""A WASI guest's surroundings: a plain description turned into wasmtime's configuration of one store.

Nothing is inherited: no variable, directory, network, argument or stream of this process that the description does not
name. `host` makes the description of what is granted; `guest/store` asks for it once, before it instantiates.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import msgspec
from wasmtime import WasiConfig, WasmtimeError

from orchestrator.model.policy import RuledFolder
from orchestrator.model.secret import Secret
from orchestrator.model.world import World
from orchestrator.patterns.folders import FORBIDDEN, forbidden_by
from orchestrator.runtime.engine import capi
from orchestrator.runtime.wasi.pipes import Pipes, Sink
from orchestrator.runtime.wasi.sockets import KNOWN, open_network
from orchestrator.runtime.wasi.special import find_special

_USED_UP = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_STREAMS = {"stdout": "wasi:cli/stdout@0.2.", "stderr": "wasi:cli/stderr@0.2."}


class Folder(msgspec.Struct, frozen=True):
    """A directory that a guest is given, and the absolute path that it finds it under."""

    path: str
    writable: bool
    guest_path: str


class Output(msgspec.Struct, frozen=True):
    """Where a guest's stdout and stderr go; pipes are opened only for what it imports."""

    pipes: Pipes
    sink: Sink


class Wasi(msgspec.Struct, frozen=True):
    """The surroundings of one instance. `forbidden` are real paths that no directory may be, hold or lie in.

    Policies have rules on those `ruled`: a directory is judged as its grant names it, so that no link may lead there.
    """

    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, Secret], ...] = ()  # further variables
    folders: tuple[Folder, ...] = ()
    network: bool = False
    forbidden: tuple[str, ...] = FORBIDDEN
    ruled: tuple[RuledFolder, ...] = ()
    output: Output | None = None


class Denied(Exception):
    """A guest cannot be given what it was granted; the text says what and why."""


class Unable(Denied):
    """That is for want of something that the host lacks, whatever was granted."""


def give(context: int, wasi: Wasi, world: World) -> None:
    """Configure a store's WASI.

    Raises:
        Denied: a directory is missing, forbidden or holds what is no file.
        Unable: the process may open no more files, or this wasmtime cannot open the network.
    """
    config = WasiConfig()
    _set_texts(config, wasi)
    if wasi.network and not open_network(config):
        raise Unable(f"the network was granted, but it can be opened to a guest with wasmtime {KNOWN} only")
    with ExitStack() as opened:
        for folder in wasi.folders:
            _preopen(config, folder, opened.enter_context(_real(folder, wasi)))
        if wasi.output is not None:
            _pipe(config, wasi.output, world, opened)
        error = capi.set_wasi(context, capi.address_of(config._consume()))
    assert not error


def _set_texts(config: Any, wasi: Wasi) -> None:
    for text in (*wasi.args, *(part for pair in wasi.env for part in pair)):
        if "\0" in text:
            raise Denied(f"{text[:60]!a} holds a NUL, which an argument or a variable cannot")
    env = (*wasi.env, *((name, secret.reveal()) for name, secret in wasi.secrets))
    for name, _ in env:
        if not name or "=" in name:
            raise Denied(f"{name[:60]!a} is no name for an environment variable")
    if wasi.args:
        config.argv = wasi.args
    if env:
        config.env = env


def _preopen(config: Any, folder: Folder, descriptor: int) -> None:
    try:
        config.preopen_dir(f"/proc/self/fd/{descriptor}", folder.guest_path, folder.writable)
    except WasmtimeError:
        raise Denied(f"the granted directory {folder.path} cannot be opened by this process") from None


@contextmanager
def _real(folder: Folder, wasi: Wasi) -> Iterator[int]:
    """Open a directory, and decide by where it really is: the one that was looked at is the one that is opened."""
    try:
        descriptor = os.open(folder.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as problem:
        kind = Unable if problem.errno in _USED_UP else Denied
        raise kind(f"the granted directory {folder.path} cannot be used: {problem.strerror}") from None
    try:
        real = os.readlink(f"/proc/self/fd/{descriptor}")
        by = forbidden_by(real, wasi.forbidden)
        if by is not None:
            leads = "" if real == folder.path else f" leads to {real}, which"
            raise Denied(f"the granted directory {folder.path}{leads} is, holds or lies in {by}: never for guests")
        ruled = _hidden_from(folder, real, wasi.ruled)
        if ruled is not None:
            rule = f"which {ruled.rule} has a rule on: grant the directory by its own path, so that it is judged"
            raise Denied(f"the granted directory {folder.path} leads to {real}, {rule}")
        special = find_special(descriptor)
        if special is not None:
            raise Denied(f"the granted directory {folder.path} holds {special[0]}, {special[1]!r}: never for guests")
        yield descriptor
    finally:
        os.close(descriptor)


def _hidden_from(folder: Folder, real: str, ruled: tuple[RuledFolder, ...]) -> RuledFolder | None:
    """Return the directory of a rule that a granted one is, holds or lies in, though nothing in its name says so."""
    for each in ruled:
        if (each.only_writable and not folder.writable) or forbidden_by(folder.path, (each.path,)):
            continue
        if forbidden_by(real, (os.path.realpath(each.path),)):
            return each
    return None


def _pipe(config: Any, output: Output, world: World, opened: ExitStack) -> None:
    imported = {imported.interface for imported in world.imports}
    for stream, prefix in _STREAMS.items():
        if not any(name.startswith(prefix) for name in imported):
            continue
        try:
            write_end = output.pipes.open(output.sink, stream)
        except OSError as problem:
            raise Unable(f"no pipe for its {stream}: {problem.strerror}") from None
        opened.callback(_close, write_end)
        setattr(config, f"{stream}_file", f"/proc/self/fd/{write_end}")


def _close(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)

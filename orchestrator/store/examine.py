"""A state directory → what is wrong with it; reads, and changes nothing, whatever is found there.

`airs doctor` calls it. Every check is by itself, so that one thing that is broken does not hide the next. The database
is read only when nobody else has it.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.model.finding import Finding, ok, problem, warning
from orchestrator.model.observed import Record
from orchestrator.store import lock
from orchestrator.store.artifacts import Artifacts
from orchestrator.store.database import DatabaseFault
from orchestrator.store.decisions import read_records, read_serial
from orchestrator.store.files import NotPrivate, check_own_folder
from orchestrator.store.layout import CACHE
from orchestrator.store.needed import read_needed
from orchestrator.store.opening import opening
from orchestrator.store.salvage import kept_aside
from orchestrator.store.state_dir import STATE_VERSION, StateDamaged, StateTooNew, check_version, read_key, read_lineage

MIB = 1 << 20
NO_SPACE_BYTES, LITTLE_SPACE_BYTES = 16 * MIB, 512 * MIB
NO_FILES_LEFT = 100
CACHE_KEY_BYTES = 32
NAMED_MAX = 3


def examine(path: Path, *, answers: Callable[[], bool], socket: Path | None) -> Iterator[Finding]:
    """Look at the state directory at `path`; `answers` asks whether an agent does, at `socket` where that is known."""
    if not os.path.lexists(path):
        yield from _safely("state directory", lambda: _absent(path))
        return
    usable = list(_safely("state directory", lambda: _folder(path)))
    yield from usable
    if not path.is_dir():
        return
    served = is_held(path) and answers()
    for about, check in (
        ("space", lambda: _space(path)),
        ("format", lambda: _format(path)),
        ("lineage", lambda: _identity(path)),
        ("key", lambda: _key(path)),
        ("agent", lambda: _agent(path, served, socket)),
        ("cache", lambda: _cache(path / CACHE)),
        ("store", lambda: _store(path, served)),
    ):
        yield from _safely(about, check)


def _safely(about: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        detail = f"{where}{error.strerror or error}"
        yield problem(about, "cannot be looked at", "Repair what stands here, then ask again.", detail)


def _absent(path: Path) -> Iterator[Finding]:
    above = next(folder for folder in path.parents if os.path.lexists(folder))
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        detail = f"{above} is not a folder that you may write to"
        yield problem("state directory", f"{path} cannot be made", "Name another --state-dir.", detail)
    else:
        yield ok("state directory", f"{path} is not there yet", "It is made when it is first needed.")


def _folder(path: Path) -> Iterator[Finding]:
    if not path.is_dir():
        yield problem("state directory", f"{path} is not a folder", "Name another --state-dir, or move the file away.")
        return
    try:
        check_own_folder(path)
    except NotPrivate as fault:
        hint = f"`chmod 700 {path}` if it is yours; else name another --state-dir."
        yield problem("state directory", str(fault), hint)
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        hint = "Make it yours, or name another --state-dir; its disk may be mounted read-only."
        yield problem("state directory", f"{path} may not be written", hint)
    elif stat.S_IMODE(path.stat().st_mode) & 0o077:
        hint = f"`chmod 700 {path}`; the next agent does so by itself."
        yield warning("state directory", f"others may look into {path}", hint)
    else:
        yield ok("state directory", str(path))


def _space(path: Path) -> Iterator[Finding]:
    free, about = shutil.disk_usage(path).free, os.statvfs(path)
    told = f"{free / MIB:.0f} MiB free"
    hint = f"Free some; `{path / CACHE}` may be removed while no agent runs."
    if free < NO_SPACE_BYTES or (about.f_files and about.f_favail < NO_FILES_LEFT):
        more = told if free < NO_SPACE_BYTES else f"{about.f_favail} files may still be made"
        yield problem("space", f"the disk of {path} is full: {more}", hint)
    elif free < LITTLE_SPACE_BYTES:
        yield warning("space", told, hint)
    else:
        yield ok("space", told)


def _format(path: Path) -> Iterator[Finding]:
    if not (path / "VERSION").exists():
        if any(path.iterdir()):
            hint = "Name another --state-dir: it is not known to be one. Or restore it from a backup."
            yield problem("format", "VERSION is missing, and the folder is not empty", hint)
        else:
            yield ok("format", "empty; the next agent makes it a state directory")
        return
    try:
        check_version(path)
    except StateTooNew as fault:
        yield problem("format", str(fault), "Update airs.")
    except StateDamaged as fault:
        yield problem("format", str(fault), "Restore the directory from a backup, or name another --state-dir.")
    else:
        yield ok("format", f"version {STATE_VERSION}")


def _identity(path: Path) -> Iterator[Finding]:
    if (path / "VERSION").exists():
        yield from _readable("lineage", path, read_lineage, "Restore it from a backup; saved plans name it.")


def _key(path: Path) -> Iterator[Finding]:
    if (path / "VERSION").exists():
        hint = f"`chmod 600 {path / 'key'}` if only its mode is wrong. Else remove it: saved plans are refused then."
        yield from _readable("key", path, read_key, hint)


def _readable(about: str, path: Path, read: Callable[[Path], object], hint: str) -> Iterator[Finding]:
    try:
        read(path)
    except (StateDamaged, NotPrivate) as fault:
        yield problem(about, str(fault), hint)
    else:
        yield ok(about, "private and readable")


def _agent(path: Path, served: bool, socket: Path | None) -> Iterator[Finding]:
    if os.path.lexists(path / "lock") and not _is_file(path / "lock"):
        yield problem("agent", f"{path / 'lock'} is no ordinary file", "Remove it: the next agent makes it.")
        return
    owner, held = lock.holder(path / "lock"), is_held(path)
    if served:
        yield ok("agent", f"runs: {owner}" if owner else "runs")
    elif held and owner is not None and not _lives(owner.pid):
        hint = f"Find it with `fuser {path / 'lock'}` and end it."
        yield problem("agent", f"{owner} is gone, and something it started still holds the lock", hint)
    elif held:
        who = str(owner) if owner else "a process that has not said who it is"
        hint = f"It may be starting or stopping; else end it (`fuser {path / 'lock'}` names it)."
        yield problem("agent", f"the lock is held by {who}, which does not answer", hint)
    else:
        yield ok("agent", "none runs")
        if socket is not None and os.path.lexists(socket):
            hint = "Nothing needs to be done: the next agent replaces it."
            yield warning("socket", f"{socket} was left behind by an agent that was killed", hint)
    if socket is not None and socket.parent != Path(os.path.realpath(path)):
        yield ok("socket", f"{socket}", "The state directory's own path is too long for a socket.")


def is_held(path: Path) -> bool:
    """Whether somebody holds a state directory."""
    try:
        return lock.is_held(path / "lock")
    except OSError:  # no file that can be locked, which `_agent` says
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _cache(folder: Path) -> Iterator[Finding]:
    if not os.path.lexists(folder):
        yield ok("cache", "empty")
        return
    hint = f"Remove `{folder}`: it is made again, and components are compiled once more."
    if not folder.is_dir():
        yield problem("cache", f"{folder} is not a folder", hint)
        return
    about = folder.stat()  # of what it links to: that is how several agents share one
    if folder.is_symlink():
        yield ok("cache", f"shared: {os.path.realpath(folder)}")
    if about.st_mode & 0o022:
        yield warning("cache", f"others may write to {folder}", "Nothing needs to be done: the next agent closes it.")
    if about.st_uid != os.geteuid():
        whose = f"belongs to user {about.st_uid}, not to you (user {os.geteuid()})"
        yield problem("cache", f"{folder} {whose}", hint)
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem("cache", f"{folder} may not be written", f"`chmod 700 {folder}`.")
    else:
        yield from _cached(folder, hint)


def _cached(folder: Path, hint: str) -> Iterator[Finding]:
    files = [(path, path.lstat()) for path in sorted(folder.iterdir())]
    key = next((about for path, about in files if path.name == "key"), None)
    if key is not None and (_foreign(key) or key.st_size != CACHE_KEY_BYTES):
        why = f"{folder / 'key'} cannot be used: not private, not yours, or not {CACHE_KEY_BYTES} bytes"
        again = "Nothing needs to be done: the next agent makes a new one, and components are compiled once more."
        yield warning("cache", why, again)
    foreign = [path.name for path, about in files if path.suffix in (".cwasm", ".world") and _foreign(about)]
    if foreign:
        yield warning("cache", f"files that others own or may write to are not loaded: {_named(foreign)}", hint)
    total = sum(about.st_size for path, about in files if path.suffix == ".cwasm")
    yield ok("cache", f"{sum(path.suffix == '.cwasm' for path, _ in files)} compiled components, {total / MIB:.1f} MiB")


def _foreign(about: os.stat_result) -> bool:
    return not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or bool(about.st_mode & 0o077)


def _store(path: Path, served: bool) -> Iterator[Finding]:
    if served:
        yield ok("store", "in use by the agent, which answers")
        yield from _all_artifacts(path)
        return
    if is_held(path):
        hint = "Ask again when it has ended."
        yield warning("store", "not looked at: the holder of the lock may be writing to it", hint)
        return
    folder = path / "db"
    hint = "`airs doctor --repair` saves what can be read and keeps the rest aside; or restore it from a backup."
    try:
        found = opening(folder, read_needed)
    except DatabaseFault as fault:
        yield problem("store", "it cannot be believed", hint, str(fault))
        return
    for doubt in found.doubts:
        yield warning("store", doubt, "Nothing can be done about it; the next agent notes anew what is on the disk.")
    if found.reader is None:
        yield ok("store", "empty")
        return
    try:
        for _ in found.reader.rows():  # so that every byte is compared with its checksum
            pass
        records, serial = read_records(found.reader), read_serial(found.reader)
    except DatabaseFault as fault:
        yield problem("store", "some of it cannot be read", hint, str(fault))
        return
    finally:
        found.reader.close()
    yield ok("store", f"{len(records)} deployments, {serial} decisions")
    yield from _kept_aside(path)
    yield from _artifacts(path, records)


def _kept_aside(path: Path) -> Iterator[Finding]:
    for kept in kept_aside(path / "db"):
        hint = f"Remove `{kept}` once nothing of it is needed any more."
        yield warning("repaired", f"a repair put {kept} aside", hint)


def _artifacts(path: Path, records: list[Record]) -> Iterator[Finding]:
    kept = Artifacts(path / "artifacts" / "sha256")
    wanted = {record.wanted.revision.artifact: record.key for record in records if not record.deleted}
    wanted |= {record.stable.revision.artifact: record.key for record in records if record.stable}
    lost = sorted(str(key) for digest, key in wanted.items() if not (_is_file(kept.path(digest)) and kept.has(digest)))
    if lost:
        detail = "Those without compiled code in the cache cannot start."
        yield problem("artifacts", f"missing or damaged, of {_named(lost)}", "Apply their manifests again.", detail)
    else:
        yield ok("artifacts", f"{len(wanted)} in use, all whole")


def _all_artifacts(path: Path) -> Iterator[Finding]:
    """Look at every artifact there is: which are in use is for the agent to know."""
    kept = Artifacts(path / "artifacts" / "sha256")
    there = kept.digests()
    damaged = [digest for digest in there if not (_is_file(kept.path(digest)) and kept.has(digest))]
    if damaged:
        hint = "`airs status` says of what, as soon as it is to start; apply the manifests of that again."
        yield problem("artifacts", f"damaged: {_named(damaged)}", hint)
    else:
        yield ok("artifacts", f"{len(there)}, all whole")


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more

"""The state directory: what lies where, whose it is, and which version of airs may use it.

    VERSION   lineage   key   lock   artifacts/sha256/<hex>   signatures/   trust.json   cache/   db/   synced
    agent.log   agent.sock

Called by the agent, which holds the lock while it runs, and by the CLI, which makes plans and reads without it.
"""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState
from orchestrator.model.source import SourceNote, SourceRecord
from orchestrator.plan.dependencies import missing_needs
from orchestrator.store import lock
from orchestrator.store.artifacts import Artifacts
from orchestrator.store.database import Database
from orchestrator.store.decisions import read_records, read_serial, read_sources
from orchestrator.store.desired import read_desired
from orchestrator.store.files import check_own_folder, have_private_folder, read_private, write_once
from orchestrator.store.layout import CACHE, LOCK
from orchestrator.store.needed import read_needed
from orchestrator.store.notes import read_notes
from orchestrator.store.stalls import Stall, read_stalls
from orchestrator.store.synced import SYNCED, note_nothing

STATE_VERSION = 1
STATE_FILES = ("lineage", "key", "lock", "db", SYNCED)  # any of them says that there is a state
_KEY_BYTES = 32
_VERSION_MAX_BYTES = 64


class StateTooNew(Exception):
    """A newer airs has written this state; using it could lose what it wrote."""


class StateDamaged(Exception):
    """A file of the state directory does not hold what it must."""


class StateDir:
    """A state directory that exists, is private, and has a format that is known here."""

    def __init__(self, path: Path) -> None:
        """Open the directory at `path`, creating what is missing.

        Raises:
            NotPrivate: it is not the user's own.
            StateTooNew: a newer version wrote it.
            StateDamaged: its identity cannot be read.
        """
        have_private_folder(path)
        self.path = path
        _refuse_without_version(path)
        write_once(path / "VERSION", f"{STATE_VERSION}\n".encode())
        check_version(path)
        write_once(path / "lineage", secrets.token_hex(16).encode())
        write_once(path / "key", secrets.token_bytes(_KEY_BYTES))
        if not any(os.path.lexists(path / name) for name in ("lock", "db")):  # no agent was ever here
            note_nothing(path / SYNCED)
        self.lineage = read_lineage(path)
        self.key = read_key(path)
        self.artifacts = Artifacts(path / "artifacts" / "sha256")

    @property
    def cache(self) -> Path:
        """The folder for files that can be made again."""
        folder = self.path / CACHE
        if not folder.exists():  # a link to one that several agents share is theirs to make
            have_private_folder(folder)
        return folder

    @property
    def database(self) -> Path:
        """The database's folder."""
        return self.path / "db"

    @property
    def log(self) -> Path:
        """The background agent's log."""
        return self.path / "agent.log"

    def lock(self, owner: lock.Owner) -> lock.StateLock:
        """Hold the directory for `owner`; needed to open the store for writing.

        Raises:
            StateLocked: another process holds it, and which.
        """
        return lock.acquire(self.path / "lock", owner)


def holder(path: Path) -> lock.Owner | None:
    """Say who holds the state directory at `path`; None for nobody."""
    return lock.holder(path / LOCK)


class Recorded(NamedTuple):
    """The records of a state directory, read without an agent: of deployments, and of each source by its name."""

    observed: ObservedState
    sources: dict[str, SourceRecord]
    notes: dict[str, SourceNote]
    desired: dict[str, DesiredState]
    stalls: dict[DeploymentKey, Stall]


def read_recorded(path: Path) -> ObservedState:
    """Read which deployments are recorded at `path`, as `read_all_recorded` does."""
    return read_all_recorded(path).observed


def read_all_recorded(path: Path) -> Recorded:
    """Read what is recorded at `path`, without an agent and without creating anything.

    Where there is no state, the lineage is empty and the serial 0.

    Raises:
        NotPrivate, StateTooNew, StateDamaged, DatabaseFault: there is one, and it cannot be read.
    """
    if not os.path.lexists(path / "VERSION"):
        _refuse_without_version(path)
        return Recorded(ObservedState(lineage="", serial=0), {}, {}, {}, {})
    check_own_folder(path)
    check_version(path)
    database = Database(path / "db", readonly=True, look=read_needed)
    try:
        records = [*read_records(database)]
        missing = missing_needs(records)
        deployments = tuple(ObservedDeployment(record=r, missing=missing.get(r.key, ())) for r in records)
        return Recorded(
            ObservedState(lineage=read_lineage(path), serial=read_serial(database), deployments=deployments),
            {source.name: source for source in read_sources(database)},
            read_notes(database),
            {desired.source: desired for desired in read_desired(database)},
            read_stalls(database),
        )
    finally:
        database.close()


def _refuse_without_version(path: Path) -> None:
    """Take no state for a new one because its format is not known any more."""
    if not os.path.lexists(path / "VERSION") and any(os.path.lexists(path / name) for name in STATE_FILES):
        raise StateDamaged(
            f"{path / 'VERSION'} is missing, so the format of the state beside it is unknown; restore that file, "
            f"which holds {STATE_VERSION} where this airs wrote it"
        )


def check_version(path: Path) -> None:
    """Check that the state at `path` is in a format that is known here.

    Raises:
        StateTooNew: a newer version wrote it.
        StateDamaged: its format cannot be read.
    """
    with open(path / "VERSION", "rb", opener=_opened) as file:
        text = file.read(_VERSION_MAX_BYTES).decode(errors="replace").strip()
    if not text.isdecimal():
        raise StateDamaged(f"{path / 'VERSION'} holds {text[:20]!r}, not a number; is this a state directory?")
    if int(text) > STATE_VERSION:
        raise StateTooNew(f"{path} has state format {text}, this airs knows up to {STATE_VERSION}; use the newer airs")


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe of that name is no reason to wait


def read_lineage(path: Path) -> str:
    """Return which state it is.

    Raises:
        NotPrivate, StateDamaged: it cannot be believed, or is not there.
    """
    text = _read(path / "lineage").decode("ascii", errors="replace")
    if len(text) != 32:
        raise StateDamaged(f"{path / 'lineage'} must hold 32 hex digits")
    return text


def read_key(path: Path) -> bytes:
    """Return the key that saved plans are sealed with.

    Raises:
        NotPrivate, StateDamaged: it is no secret, or not there.
    """
    key = _read(path / "key")
    if len(key) != _KEY_BYTES:
        raise StateDamaged(f"{path / 'key'} must hold {_KEY_BYTES} bytes; without it, saved plans cannot be checked")
    return key


def _read(path: Path) -> bytes:
    try:
        return read_private(path)
    except FileNotFoundError:
        raise StateDamaged(f"{path} is missing") from None

"""How rows are named and encoded: a table's byte, then length-prefixed parts, so that no two names can meet."""

from typing import Any, TypeVar

import msgspec

from orchestrator.decoding import from_msgpack, from_plain
from orchestrator.model.ids import DeploymentKey
from orchestrator.store.database import DamagedRow

T = TypeVar("T")

SERIAL = b"s"
RECORDS = b"r"
DESIRED = b"w"  # the desired state of a source, but for its deployments
WANTED = b"e"  # a deployment that a source wants
SOURCES = b"f"
NOTES = b"o"  # the last facts known of a source
HISTORY = b"h"
ACTS = b"a"
DATA = b"d"
PART = b"p"  # data that belong to a key of a deployment
USAGE = b"u"
MAIL = b"m"
MAIL_IDS = b"i"
LETTERS = b"l"
LETTER_NUMBER = b"n"  # of the newest letter there ever was
APPROVALS = b"v"
STALLS = b"t"  # since when deployments wait for a person
SENDERS = b"c"  # who was seen sending to a deployment
TOLD = b"x"  # the state of a subject that a receiver of news was told of last
RUNS = b"j"  # of jobs, by schedule or request
UNTOLD = b"b"  # notes on a decision that are not in the audit book yet

FORMAT = b"\x01"
ANYTHING: Any = Any
_RETIRED = ("createdMs", "fault")  # fields of a record and of a diagnostic that rows of earlier versions have


def part(text: str) -> bytes:
    """Encode one part of a name: two bytes of length, then UTF-8."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def of_deployment(table: bytes, key: DeploymentKey) -> bytes:
    """Name a deployment's row, or begin the names of its rows."""
    return table + part(key.namespace) + part(key.name)


def of_data(key: DeploymentKey, owner: str) -> bytes:
    """Begin the names of a deployment's data, or of those that belong to one of its keys."""
    return of_deployment(PART, key) + part(owner) if owner else of_deployment(DATA, key)


def of_number(key: DeploymentKey, number: int) -> bytes:
    """Name one entry of a deployment's history; entries sort by number."""
    return of_deployment(HISTORY, key) + number.to_bytes(8, "big")


def of_act(key: DeploymentKey, number: int) -> bytes:
    """Name one manual act on a deployment; they sort by number."""
    return of_deployment(ACTS, key) + number.to_bytes(8, "big")


def of_run(key: DeploymentKey, number: int) -> bytes:
    """Name one run of a job; they sort by number."""
    return of_deployment(RUNS, key) + number.to_bytes(8, "big")


def of_mail(key: DeploymentKey, number: int) -> bytes:
    """Name a message that is kept; those of a deployment sort by number."""
    return of_deployment(MAIL, key) + number.to_bytes(8, "big")


def of_letter(number: int) -> bytes:
    """Name a dead letter; they sort by number."""
    return LETTERS + number.to_bytes(8, "big")


def of_untold(serial: int) -> bytes:
    """Name the notes on a decision; they sort by its number."""
    return UNTOLD + serial.to_bytes(8, "big")


def deployment_in(row: bytes) -> bytes:
    """Return the part of a numbered row's name that names its deployment."""
    return row[1:-8]


def number_of(row: bytes) -> int:
    """Return the number that the name of a row ends with."""
    return int.from_bytes(row[-8:], "big")


def pack(value: Any, form: bytes = FORMAT) -> bytes:
    """Encode a row: a format byte, then MessagePack."""
    return form + msgspec.msgpack.encode(value)


def unpack(row: bytes, kind: type[T], form: bytes = FORMAT) -> T:
    """Decode a row.

    Raises:
        DamagedRow: the row is not one of ours.
    """
    if row[:1] != form:
        raise DamagedRow(f"a {kind.__name__} is in unknown format {row[:1].hex()}; a newer airs may have written it")
    data = memoryview(row)[1:]
    try:
        return from_msgpack(data, kind)
    except msgspec.ValidationError as error:
        older = _without_retired(from_msgpack(data, ANYTHING))
        try:
            return from_plain(older, kind)
        except msgspec.ValidationError:
            raise DamagedRow(f"a {kind.__name__} cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise DamagedRow(f"a {kind.__name__} cannot be read: {error}") from error


def _without_retired(value: Any) -> Any:
    """Leave out of a row, and of all within, the fields that nobody reads any more."""
    if isinstance(value, dict):
        return {name: _without_retired(own) for name, own in value.items() if name not in _RETIRED}
    return [_without_retired(each) for each in value] if isinstance(value, list) else value

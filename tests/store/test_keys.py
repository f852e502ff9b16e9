"""Rows: what earlier versions wrote is read, and what is no row of ours is refused."""

from typing import Any

import msgspec
import pytest

from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.observed import Record
from orchestrator.model.source import SourceNote, SourceStatus
from orchestrator.store import keys
from orchestrator.store.database import DamagedRow

from .values import record

DIAGNOSTIC = Diagnostic(severity=Severity.ERROR, summary="no", location=Location(file="a.yaml"))
NOTE = SourceNote(status=SourceStatus(source="/srv", diagnostics=(DIAGNOSTIC,)), read_ms=1)


def plain(value: Any) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value))


def test_a_record_of_a_version_that_noted_when_it_was_created_is_read():
    row = keys.pack(plain(record()) | {"createdMs": 1_700_000_000_000})
    assert keys.unpack(row, Record) == record()


def test_a_note_of_a_version_whose_diagnostics_said_whose_fault_they_are_is_read():
    older = plain(NOTE)
    older["status"]["diagnostics"][0]["fault"] = "manifest"
    assert keys.unpack(keys.pack(older), SourceNote) == NOTE


NOT_OURS = {
    "a field that nobody knows": keys.pack(plain(record()) | {"colour": "red"}),
    "a retired field and one that nobody knows": keys.pack(plain(record()) | {"colour": "red", "createdMs": 1}),
    "something else": keys.pack([1, 2]),
    "no MessagePack": keys.FORMAT + b"\xc1",
    "another format": b"\x07" + keys.pack(record())[1:],
    "nothing": b"",
}


@pytest.mark.parametrize("row", NOT_OURS.values(), ids=NOT_OURS)
def test_a_row_that_is_not_ours_is_refused(row: bytes):
    with pytest.raises(DamagedRow):
        keys.unpack(row, Record)

"""Notes of commands for the audit book, which commands write as agents do, in the name of their user."""

import os
from contextlib import closing
from typing import TYPE_CHECKING

from orchestrator.agent.peer import peer_of
from orchestrator.audit.book import Book, Told
from orchestrator.model.audit import AuditKind, Note

if TYPE_CHECKING:
    from orchestrator.store.state_dir import StateDir


def note_down(state: "StateDir", what: AuditKind, subject: str, **facts: str) -> None:
    """Note something; it is on the disk when this returns, or OSError is raised."""
    note = Note(kind=what, subject=subject, by=peer_of(os.getuid()), facts=facts)
    with closing(Book(state.path, state.lineage)) as book:
        book.append([Told(note)])

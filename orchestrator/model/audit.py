"""The audit book: what kinds of things it tells of, a note for it, and an entry as it stands there for good."""

from enum import StrEnum
from typing import Protocol

from msgspec import field

from orchestrator.model.base import Value
from orchestrator.model.who import Peer


class AuditKind(StrEnum):
    """The kind of an entry."""

    # of the book itself
    AGENT_STARTED = "agent-started"
    AGENT_STOPPED = "agent-stopped"
    TRIMMED = "trimmed"  # old segments are about to be removed
    DAMAGED = "damaged"  # entries before this one could not be read
    # of what people ask the agent for
    CALL = "call"  # before it is carried out
    REFUSED = "refused"  # the answer to a call
    # of what was decided, durable with the decision itself
    ACT = "act"
    WANTED = "wanted"
    SOURCE = "source"
    ROLLOUT = "rollout"
    ROLLOUT_ENDED = "rollout-ended"
    REMOVED = "removed"
    RENAMED = "renamed"
    # of signatures
    VERIFIED = "verified"  # a signature on a package is good, and is kept for its starts
    KEY_TRUSTED = "key-trusted"
    KEY_REVOKED = "key-revoked"
    KEY_FORGOTTEN = "key-forgotten"
    COMMIT_REFUSED = "commit-refused"  # of a source, as it is not signed as the operator wants
    # of the keys that sealed secrets are opened with
    KEY_ROTATED = "key-rotated"
    KEYS_DROPPED = "keys-dropped"
    # of policies
    APPROVED = "approved"
    POLICY = "policy"  # another policy is in force
    STOPPED = "stopped"  # by a policy
    ALLOWED = "allowed"  # to run again
    # of capabilities
    GRANT_USED = "grant-used"
    DENIED = "denied"


class Note(Value, frozen=True):
    """Something that the book is to tell of: what happened to whom, who asked for it, and its facts by name."""

    kind: str
    subject: str
    at_ms: int = 0
    by: Peer | None = None
    why: str = ""
    facts: dict[str, str] = field(default_factory=dict)


class AuditEntry(Value, frozen=True, tag_field="line", tag="entry"):
    """One entry: a note, its number and its place in the chain.

    `decision` is the number of the decision that it was durable with, 0 for none. `before` is the hash of what stands
    before it, `hash` that of this entry without it.
    """

    number: int
    at_ms: int
    kind: str
    subject: str
    by: Peer | None = None
    why: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    decision: int = 0
    before: str = ""
    hash: str = ""


class SegmentHead(Value, frozen=True, tag_field="line", tag="head"):
    """The first line of a segment: its number, that of its first entry, and the hash of what stands before it."""

    segment: int
    lineage: str
    first: int
    at_ms: int
    before: str
    format: int = 1
    hash: str = ""


class AuditHead(Value, frozen=True):
    """The end of a book: keep it elsewhere, and a cut at the end is found. `number` is 0 where there is no entry."""

    number: int
    hash: str
    segment: int = 0

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


class Audit(Protocol):
    """The book, as its writers see it."""

    def note(self, what: AuditKind, subject: str, **facts: str) -> None:
        """Note something in the name of the agent; durable when this returns, or kept until it can be."""

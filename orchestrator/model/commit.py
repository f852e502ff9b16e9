"""A git commit as people read it: its id, its author and its subject, and whether the files read differ from it."""

from msgspec import UNSET, UnsetType, field

from orchestrator.model.base import Value
from orchestrator.model.verification import CommitSigner

SHORT = 10  # hex digits of an id as people see it
TEXT_MAX = 200  # characters of an author or a subject that are kept
DIRTY = "-dirty"


class Commit(Value, frozen=True):
    """One commit. `dirty` says that the files read are not those of the commit; never so of a git source.

    `read_by` is written as `tag`, and `verified` as `signedBy`: both are left out where there is none, so that plans
    keep the bytes they had.
    """

    id: str
    author: str = ""  # `Name <address>`
    subject: str = ""
    dirty: bool = False
    read_by: str | UnsetType = field(default=UNSET, name="tag")
    verified: CommitSigner | UnsetType = field(default=UNSET, name="signedBy")

    @property
    def tag(self) -> str:
        """The tag by which it was read, empty for none."""
        return "" if self.read_by is UNSET else self.read_by

    @property
    def signer(self) -> CommitSigner | None:
        """The verified signer of it, or of the tag by which it was read."""
        return None if self.verified is UNSET else self.verified

    @property
    def revision(self) -> str:
        """The id, with `-dirty` where it is."""
        return self.id + DIRTY * self.dirty

    @property
    def author_name(self) -> str:
        """The author without the address; the address where there is no name."""
        return self.author.partition(" <")[0].strip() or self.author

    def __str__(self) -> str:
        by = f" by {self.author_name}" if self.author else ""
        signed = f"{',' * bool(by)} signed by {self.signer}" if self.signer else ""
        about = f": {self.subject}" if self.subject else ""
        return f"{self.named}{by}{signed}{about}"

    @property
    def named(self) -> str:
        """The id as people see it, and the tag."""
        return f"{short(self.revision)}{f' ({self.tag})' if self.tag else ''}"


def short(revision: str | None) -> str:
    """Shorten a revision or commit; `-dirty` stays."""
    id, dirty, _ = (revision or "").partition(DIRTY)
    return id[:SHORT] + dirty


def read_commit(id: str, data: bytes) -> Commit:
    """Read a raw commit object; nothing that a terminal would act upon is kept of it."""
    head, _, message = data.partition(b"\n\n")
    author = next((line[7:] for line in head.split(b"\n") if line.startswith(b"author ")), b"")
    named = author.rpartition(b"> ")[0] + b">" if b"> " in author else author  # less its time
    subject = message.lstrip(b"\n").partition(b"\n")[0]
    return Commit(id=id, author=_text(named), subject=_text(subject))


def _text(data: bytes) -> str:
    text = data[: 4 * TEXT_MAX].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text).strip()[:TEXT_MAX]

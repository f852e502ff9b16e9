"""Messages that travel many at a time: what is sent together, what of that waits together, and what is taken at once.

Nobody is told of one message, only of runs of them, so that a message costs no object of its own.
"""

from collections.abc import Callable, Sequence

from orchestrator.model.message import Mail, Outcome

Told = Callable[[int, Sequence[Outcome]], None]


class Parcel:
    """Messages sent together, and who is told how they ended.

    `told` is called with the number of a message and the outcomes of that one and those after it: exactly once for each
    message, in any order, from any thread, with no lock held.
    """

    __slots__ = ("is_own", "mail", "may_wait", "told", "was_let_in")

    def __init__(self, mail: Mail, told: Told, *, may_wait: bool = False) -> None:
        self.mail = mail
        self.told = told
        self.may_wait = may_wait  # its sender waits until there is room, where the mailbox wants that
        self.was_let_in = False  # before, and so there is room for it
        self.is_own = False  # it is from the very deployment that it is to, as the route finds

    def __len__(self) -> int:
        return len(self.mail.payloads)


class Part:
    """The messages `begin` to `end` of a parcel, which wait in one place. `sequence` is the first one's."""

    __slots__ = ("begin", "end", "parcel", "sequence", "since_ms")
    session = None

    def __init__(self, parcel: Parcel, begin: int, end: int, sequence: int, since_ms: int = 0) -> None:
        self.parcel, self.begin, self.end, self.sequence, self.since_ms = parcel, begin, end, sequence, since_ms

    def __len__(self) -> int:
        return self.end - self.begin

    @property
    def conversation(self) -> str | None:
        """The conversation that all of its messages are of."""
        return self.parcel.mail.correlation_id

    @property
    def is_own(self) -> bool:
        """Whether the deployment has sent them to itself."""
        return self.parcel.is_own

    @property
    def to(self) -> str:
        """The instance or the key that they are for."""
        return self.parcel.mail.to

    def split(self, count: int) -> "Part":
        """Take the first messages out, as a part of their own."""
        first = Part(self.parcel, self.begin, self.begin + count, self.sequence, self.since_ms)
        self.begin += count
        self.sequence += count
        return first

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the sender how they ended."""
        self.parcel.told(self.begin, outcomes)


class Batch:
    """The parts that an instance works on at once: alike, in order."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        parts = self.parts
        return len(parts[0]) if len(parts) == 1 else sum(map(len, parts))

    @property
    def mail(self) -> list[Mail]:
        """The messages."""
        return [part.parcel.mail.part(part.begin, part.end) for part in self.parts]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the senders of the first messages how those ended."""
        at = 0
        for part in self.parts:
            if at >= len(outcomes):
                return
            part.settle(outcomes[at : at + len(part)])
            at += len(part)

    def rest(self, count: int) -> list[Part]:
        """Return what comes after the first `count` messages."""
        rest: list[Part] = []
        at = 0
        for part in self.parts:
            skipped = max(count - at, 0)
            if skipped < len(part):
                rest.append(Part(part.parcel, part.begin + skipped, part.end, part.sequence + skipped, part.since_ms))
            at += len(part)
        return rest

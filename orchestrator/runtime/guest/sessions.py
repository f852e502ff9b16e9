"""The resources that callers hold in one instance, by session: which one a number means, and its fate.

`guest` keeps a `Sessions` beside its instance and makes one `Use` for every call in a session. Nothing here enters the
guest: resources to drop are returned, and dropped by the caller. How long a session lives is decided in `supervise`.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec

from orchestrator.encoding.strict_json import shown
from orchestrator.interface.exports import Export
from orchestrator.interface.typed import Unsuitable
from orchestrator.model.spec import Json
from orchestrator.model.wit import HandleOf, returns_handles
from orchestrator.runtime.call.resources import GuestResource

MAX_SESSIONS = 64  # of one instance
MAX_HANDLES = 1_000  # of one session
MAX_GONE = 1_000  # handles of one session that are remembered after it does not have them any more


class HeldResource(msgspec.Struct, frozen=True):
    """A resource and its full name."""

    resource: GuestResource
    name: str

    @property
    def short(self) -> str:
        """Its name without its interface's."""
        return self.name.rpartition("#")[2]


class Session:
    """The handles of one session, and the fate of those that it had."""

    def __init__(self) -> None:
        self.handles: dict[int, HeldResource] = {}
        self.gone: OrderedDict[int, str] = OrderedDict()

    def take(self, number: int, fate: str) -> GuestResource:
        """Take a handle out, remembering what became of it."""
        self.gone[number] = fate
        if len(self.gone) > MAX_GONE:
            self.gone.popitem(last=False)
        return self.handles.pop(number).resource


class Sessions:
    """All sessions of one instance, by name."""

    def __init__(self, numbers: Iterator[int]) -> None:
        """Begin without any; handles get their numbers from `numbers`."""
        self.numbers = numbers
        self.named: dict[str, Session] = {}

    def use(self, name: str, export: Export) -> "Use":
        """Look at what a session has before a call in it; it begins with `Use.begin`, if it is new.

        Raises:
            Unsuitable: there are too many sessions, or too many handles in it for this call.
        """
        session = self.named.get(name)
        if session is None and len(self.named) >= MAX_SESSIONS:
            raise Unsuitable(
                f"this instance has {MAX_SESSIONS} sessions, which is as many as it may",
                "`airs session list` shows them; end one with `airs session end`.",
            )
        if session is not None and len(session.handles) >= MAX_HANDLES and returns_handles(export.kind):
            raise Unsuitable(
                f"session {name} holds {MAX_HANDLES} handles, which is as many as it may",
                "Drop some with `airs session drop`, or end it with `airs session end`.",
            )
        return Use(self, name, session or Session())

    def drop(self, name: str, numbers: Sequence[int] | None) -> list[GuestResource]:
        """Take handles out of a session, for its resources to be dropped; all of them, and the session, for None.

        Raises:
            Unsuitable: there is no such session, or a number means none of its handles.
        """
        session = self.named.get(name)
        if session is None:
            raise Unsuitable(f"there is no session {name}", "`airs session list` shows those there are.")
        if numbers is None:
            del self.named[name]
            return [held.resource for held in session.handles.values()]
        wanted = dict.fromkeys(numbers)
        unknown = [self.why_not(name, session, number) for number in wanted if number not in session.handles]
        if unknown:
            raise Unsuitable(unknown[0], detail="\n".join(unknown[1:]))
        return [session.take(number, "was dropped") for number in wanted]

    def drop_all(self) -> list[GuestResource]:
        """End every session, for its resources to be dropped."""
        resources = [held.resource for session in self.named.values() for held in session.handles.values()]
        self.named.clear()
        return resources

    def why_not(self, name: str, session: Session, number: int) -> str:
        """Say why a session does not have a handle."""
        if number in session.gone:
            return f"handle {number} is no more: it {session.gone[number]}"
        if any(number in other.handles for other in self.named.values()):
            return f"handle {number} is another session's, not {name}'s"
        return f"session {name} has no handle {number}"


class Use:
    """One call in a session: which handles it is given and which it brings; a `Handles` of `json_values`."""

    def __init__(self, sessions: Sessions, name: str, session: Session) -> None:
        self._sessions, self._name, self._session = sessions, name, session
        self._lent: set[int] = set()
        self._given_away: set[int] = set()
        self._brought: dict[int, HeldResource] = {}

    def given(self, kind: HandleOf, value: Json) -> GuestResource:
        """Return the resource that a number means.

        Raises:
            ValueError: it means none that may be passed here; the text says why.
        """
        if type(value) is not int:
            raise ValueError(f"expected {kind}, the number of a handle, got {shown(value)}")
        held = self._session.handles.get(value)
        if held is None:
            raise ValueError(self._sessions.why_not(self._name, self._session, value))
        if held.name != kind.resource:
            has = held.short if held.short != kind.resource.rpartition("#")[2] else held.name
            raise ValueError(f"expected {kind}, got handle {value}, which is a {has}")
        if value in self._given_away or (value in self._lent and not kind.is_borrowed):
            raise ValueError(f"handle {value} is passed twice, and given away by one of them")
        (self._lent if kind.is_borrowed else self._given_away).add(value)
        return held.resource

    def kept(self, kind: HandleOf, resource: GuestResource) -> int:
        """Keep a resource that the guest returned; returns the number of its handle."""
        number = next(self._sessions.numbers)
        self._brought[number] = HeldResource(resource, kind.resource)
        return number

    def begin(self, function: str) -> None:
        """Begin the call, as its arguments are in order: the session exists, without the resources given away."""
        self._sessions.named[self._name] = self._session
        for number in self._given_away:
            self._session.take(number, f"was given away to {function}")

    def end(self) -> list[GuestResource]:
        """Keep the resources that the call brought; return them all where there is no room, to be dropped."""
        if len(self._session.handles) + len(self._brought) > MAX_HANDLES:
            return [held.resource for held in self._brought.values()]
        self._session.handles |= self._brought
        return []

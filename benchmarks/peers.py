"""The other side of the comparison of actors: pykka and Thespian, where installed (the dependency group `bench`).

Their actors are Python objects that answer what they are given. pykka's have a thread each. Thespian has several
systems; this is `simpleSystemBase`, which runs every actor on the caller's thread and is its fastest: the others start
a process for each actor. Neither limits what an actor may use, or goes on when one computes for ever.
"""

from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, NamedTuple

Act = Callable[[], object]
LIMIT_S = 60
PACKAGES = {"pykka": "pykka, threads", "thespian": "Thespian, simpleSystemBase"}
ABSENT = "{} is not installed; `make bench` installs it, or pip install --group bench"


class Peer(NamedTuple):
    """The work of one side, each act once. `send` waits until all of its messages were taken."""

    spawn: Act
    ask: Act
    send: Act
    fan_out: Sequence[Act]
    ring: Act
    close: Act


class Sizes(NamedTuple):
    """The sizes of that work: messages in a send, actors in each fan-out and in the ring, and a message's payload."""

    sends: int
    fans: Sequence[int]
    ring: int
    payload: bytes


def installed() -> dict[str, Callable[[Sizes], Peer]]:
    """Return how to start each one that is installed."""
    return {name: start for name, start in (("pykka", pykka), ("thespian", thespian)) if version(name) is not None}


def version(name: str) -> str | None:
    """Return the version that is installed, None when none is."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def pykka(sizes: Sizes) -> Peer:
    """Start as many actors of pykka's as are needed."""
    library: Any = import_module("pykka")
    ended: SimpleQueue[object] = SimpleQueue()

    class Echo(library.ThreadingActor):
        def on_receive(self, message: Any) -> Any:
            return message

    class Link(library.ThreadingActor):
        following: Any = None

        def on_receive(self, message: Any) -> None:
            if isinstance(message, bytes):
                ended.put(message) if self.following is None else self.following.tell(message)
            else:
                self.following = message

    actors = [Echo.start() for _ in range(max(sizes.fans))]
    links = [Link.start() for _ in range(sizes.ring)]
    for link, following in pairwise(links):
        link.tell(following)

    def send() -> None:
        for _ in range(sizes.sends - 1):
            actors[0].tell(sizes.payload)
        assert actors[0].ask(sizes.payload, timeout=LIMIT_S) == sizes.payload

    def fan_out(count: int) -> None:
        futures = [actor.ask(sizes.payload, block=False) for actor in actors[:count]]
        assert all(future.get(timeout=LIMIT_S) == sizes.payload for future in futures)

    def ring() -> None:
        links[0].tell(sizes.payload)
        ended.get(timeout=LIMIT_S)

    def spawn() -> None:
        assert Echo.start().stop()

    return Peer(
        spawn=spawn,
        ask=lambda: actors[0].ask(sizes.payload, timeout=LIMIT_S),
        send=send,
        fan_out=[_with(fan_out, count) for count in sizes.fans],
        ring=ring,
        close=library.ActorRegistry.stop_all,
    )


def thespian(sizes: Sizes) -> Peer:
    """Start as many actors of Thespian's as are needed."""
    library: Any = import_module("thespian.actors")

    echo, link_of_ring = _thespian_actors(library)
    system = library.ActorSystem("simpleSystemBase")
    actors = [system.createActor(echo) for _ in range(max(sizes.fans))]
    links = [system.createActor(link_of_ring) for _ in range(sizes.ring)]
    for link, following in pairwise(links):
        system.tell(link, [following])

    def send() -> None:
        for _ in range(sizes.sends):
            system.tell(links[0], sizes.payload)

    def fan_out(count: int) -> None:
        for actor in actors[:count]:
            system.tell(actor, sizes.payload)
        assert all(system.listen(LIMIT_S) == sizes.payload for _ in range(count))

    def ring() -> None:
        assert system.ask(links[0], (None, sizes.payload), LIMIT_S)[1] == sizes.payload

    def spawn() -> None:
        system.tell(system.createActor(echo), library.ActorExitRequest())

    return Peer(
        spawn=spawn,
        ask=lambda: system.ask(actors[0], sizes.payload, LIMIT_S),
        send=send,
        fan_out=[_with(fan_out, count) for count in sizes.fans],
        ring=ring,
        close=system.shutdown,
    )


def _thespian_actors(library: Any) -> tuple[type, type]:
    class Echo(library.Actor):
        def receiveMessage(self, message: Any, sender: Any) -> None:
            if isinstance(message, bytes):
                self.send(sender, message)

    class Link(library.Actor):
        following: Any = None

        def receiveMessage(self, message: Any, sender: Any) -> None:
            if isinstance(message, list):
                (self.following,) = message
            elif isinstance(message, tuple):
                home, payload = message
                self.send(self.following or home or sender, (home or sender, payload))

    return Echo, Link


def _with(act: Callable[[int], object], count: int) -> Act:
    return lambda: act(count)

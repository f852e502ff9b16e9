"""Dead letters: messages that nobody handled well and whose sender was not told; kept within bounds, the newest ones.

A letter is in the write-ahead log when it was kept, and so survives SIGKILL. The sizes are known without reading the
letters, so that bounds cost no reads.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.letter import DeadLetter
from orchestrator.store import keys
from orchestrator.store.database import Database, Write

OF_ONE_MAX = 1_000  # of one deployment
OF_ONE_MAX_BYTES = 16 << 20
ALL_MAX = 10_000
ALL_MAX_BYTES = 64 << 20
ROW_BYTES = 256  # of a letter beside its payload


class _Pile:
    """The letters of one deployment: sizes by number, oldest first."""

    __slots__ = ("bytes", "sizes")

    def __init__(self) -> None:
        self.sizes: OrderedDict[int, int] = OrderedDict()
        self.bytes = 0

    def add(self, number: int, size: int) -> None:
        self.sizes[number] = size
        self.bytes += size

    def remove(self, number: int) -> int:
        size = self.sizes.pop(number)
        self.bytes -= size
        return size

    @property
    def oldest(self) -> int:
        return next(iter(self.sizes))

    @property
    def is_too_big(self) -> bool:
        return len(self.sizes) > OF_ONE_MAX or self.bytes > OF_ONE_MAX_BYTES


class Letters:
    """Every deployment's dead letters, numbered in the order they came; all methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._piles: dict[DeploymentKey, _Pile] = {}
        self._count = self._bytes = 0
        for row, value in database.scan(keys.LETTERS):
            letter = keys.unpack(value, DeadLetter)
            self._note(letter.key, keys.number_of(row), _size(letter))
        last = database.get(keys.LETTER_NUMBER)
        self._last = 0 if last is None else keys.unpack(last, int)

    def keep(self, letters: Sequence[DeadLetter], beside: Sequence[Write] = ()) -> None:
        """Keep letters of one deployment under new numbers, and forget the oldest of its, or of all, beyond the bounds.

        The writes `beside` are made in the same step.

        Raises:
            DatabaseFault: they could not be written.
        """
        letters = letters[-OF_ONE_MAX:]
        with self._lock:
            numbered = [*enumerate(letters, self._last + 1)]
            last = self._last + len(letters)
            rows: list[Write] = [(keys.of_letter(number), keys.pack(letter)) for number, letter in numbered]
            self._database.write([*rows, *beside, (keys.LETTER_NUMBER, keys.pack(last))], sync=False)
            self._last = last
            for number, letter in numbered:
                self._note(letter.key, number, _size(letter))
            gone: list[Write] = [(keys.of_letter(number), None) for number in self._beyond(letters[0].key)]
            if gone:
                self._database.write(gone, sync=False)

    def replace(self, number: int, letter: DeadLetter) -> None:
        """Keep a letter anew under its number, unless it has gone meanwhile.

        Raises:
            DatabaseFault: it could not be written.
        """
        with self._lock:
            pile = self._piles.get(letter.key)
            if pile is not None and number in pile.sizes:
                self._database.write([(keys.of_letter(number), keys.pack(letter))], sync=False)

    def remove(self, key: DeploymentKey, numbers: Sequence[int]) -> int:
        """Forget letters of a deployment; returns how many there were.

        Raises:
            DatabaseFault: it could not be written.
        """
        with self._lock:
            pile = self._piles.get(key)
            found = [number for number in numbers if pile is not None and number in pile.sizes]
            if found:
                self._database.write([(keys.of_letter(number), None) for number in found], sync=False)
            for number in found:
                self._forget(key, number)
            return len(found)

    def numbers(self, key: DeploymentKey | None = None) -> list[tuple[int, DeploymentKey]]:
        """Say which there are, of one deployment or of all, oldest first."""
        with self._lock:
            wanted = self._piles if key is None else {k: pile for k, pile in self._piles.items() if k == key}
            return sorted((number, of) for of, pile in wanted.items() for number in pile.sizes)

    def count(self, key: DeploymentKey) -> int:
        """Count those of one deployment."""
        pile = self._piles.get(key)
        return 0 if pile is None else len(pile.sizes)

    def read(self, number: int) -> DeadLetter | None:
        """Read one, None where it has gone.

        Raises:
            DatabaseFault: it could not be read.
        """
        row = self._database.get(keys.of_letter(number))
        return None if row is None else keys.unpack(row, DeadLetter)

    @contextmanager
    def renaming(self, names: Sequence[tuple[DeploymentKey, DeploymentKey]]) -> Iterator[None]:
        """Let the letters to deployments be written as those to new names, and know them by those afterwards."""
        with self._lock:
            yield
            for old, new in names:
                sizes = [pair for key in (old, new) if key in self._piles for pair in self._piles[key].sizes.items()]
                for key in (old, new):
                    for number in [*self._piles[key].sizes] if key in self._piles else ():
                        self._forget(key, number)
                for number, size in sorted(sizes):
                    self._note(new, number, size)

    def _note(self, key: DeploymentKey, number: int, size: int) -> None:
        self._piles.setdefault(key, _Pile()).add(number, size)
        self._count += 1
        self._bytes += size

    def _beyond(self, key: DeploymentKey) -> Iterator[int]:
        """Forget the oldest of a deployment, and of all, until the rest is within the bounds."""
        pile = self._piles[key]
        while pile.is_too_big:
            yield self._forget(key, pile.oldest)
        while self._count > ALL_MAX or self._bytes > ALL_MAX_BYTES:
            key = min(self._piles, key=lambda key: self._piles[key].oldest)
            yield self._forget(key, self._piles[key].oldest)

    def _forget(self, key: DeploymentKey, number: int) -> int:
        pile = self._piles[key]
        self._bytes -= pile.remove(number)
        self._count -= 1
        if not pile.sizes:
            del self._piles[key]
        return number


def _size(letter: DeadLetter) -> int:
    return ROW_BYTES + len(letter.payload)

"""Messages that are kept until they were handled: the durable half of a mailbox, and which ids it has seen.

A message is in the write-ahead log when it was kept, together with its id, and so survives SIGKILL.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.letter import DeadLetter
from orchestrator.store import keys
from orchestrator.store.database import Database, Write
from orchestrator.store.letters import Letters

IDS_MAX = 100_000  # of one deployment that are remembered; the oldest are forgotten first


class KeptMail(msgspec.Struct, frozen=True, array_like=True):
    """One message; `attempts` is how often it was handled, and not well."""

    sender: ComponentId
    payload: bytes
    sent_ns: int
    correlation_id: str | None = None
    content_type: str | None = None
    attempts: int = 0
    conversation: str | None = None
    topic: str | None = None
    to: str = ""


class _Box:
    """The facts about one deployment's messages that are known without reading them."""

    def __init__(self, last: int, ids: "OrderedDict[str, int]") -> None:
        self.last = last
        self.ids = ids  # when each was first seen, oldest first


class Mails:
    """Every deployment's messages, numbered in their order; methods may be called from any thread.

    All raise DatabaseFault where they could not read or write.
    """

    def __init__(self, database: Database, letters: Letters) -> None:
        self._database, self._letters = database, letters
        self._lock = threading.Lock()
        self._boxes: dict[DeploymentKey, _Box] = {}
        self._counts: dict[DeploymentKey, int] = {}  # of those that were read once, and since then

    def keep(self, key: DeploymentKey, mail: Sequence[KeptMail]) -> int:
        """Keep messages, and return the number of the first; the others' follow."""
        with self._lock:
            box = self._box(key)
            first = box.last + 1
            rows: list[Write] = [(keys.of_mail(key, number), keys.pack(one)) for number, one in enumerate(mail, first)]
            self._database.write(rows, sync=False)
            box.last += len(mail)
            self._count(key, len(mail))
        return first

    def keep_once(self, key: DeploymentKey, mail: KeptMail, id: str, now_ms: int, window_ms: int) -> int | None:
        """Keep a message unless one of the same id was kept within the window; None then."""
        with self._lock:
            box = self._box(key)
            seen = box.ids.get(id)
            if seen is not None and now_ms - seen < window_ms:
                return None
            number = box.last + 1
            rows: list[Write] = [(keys.of_mail(key, number), keys.pack(mail)), (_id(key, id), keys.pack(now_ms))]
            old = _too_old(box.ids, now_ms - window_ms)
            self._database.write([*rows, *((_id(key, one), None) for one in old if one != id)], sync=False)
            box.last = number
            for one in old:
                del box.ids[one]
            box.ids.pop(id, None)
            box.ids[id] = now_ms
            self._count(key, 1)
        return number

    def change(self, key: DeploymentKey, number: int, mail: KeptMail) -> None:
        """Keep a message anew under its number."""
        self._database.write([(keys.of_mail(key, number), keys.pack(mail))], sync=False)

    def remove(self, key: DeploymentKey, numbers: Sequence[int], id: str | None = None) -> None:
        """Forget messages: they were handled, or never queued, and then the id goes with it."""
        rows: list[Write] = [(keys.of_mail(key, number), None) for number in numbers]
        with self._lock:
            if id is not None:
                self._box(key).ids.pop(id, None)
                rows.append((_id(key, id), None))
            self._database.write(rows, sync=False)
            self._count(key, -len(numbers))

    def bury(self, key: DeploymentKey, numbers: Sequence[int], letters: Sequence[DeadLetter]) -> None:
        """Make dead letters of messages, in one step."""
        self._letters.keep(letters, beside=[(keys.of_mail(key, number), None) for number in numbers])
        with self._lock:
            self._count(key, -len(numbers))

    def count(self, key: DeploymentKey) -> int:
        """Count a deployment's messages, as soon as they were read; no reading, and no fault."""
        return self._counts.get(key, 0)

    @contextmanager
    def renaming(self, names: Sequence[tuple[DeploymentKey, DeploymentKey]]) -> Iterator[None]:
        """Let the rows of deployments be written under new names, and know them by those afterwards."""
        with self._lock:
            yield
            for old, new in names:
                self._boxes.pop(old, None)
                self._boxes.pop(new, None)
                self._counts[new] = self._counts.pop(old, 0)

    def _count(self, key: DeploymentKey, more: int) -> None:
        self._counts[key] = self._counts.get(key, 0) + more

    def read(self, key: DeploymentKey) -> list[tuple[int, KeptMail]]:
        """Return a deployment's messages in their order."""
        with self._lock:
            rows = self._database.scan(keys.of_deployment(keys.MAIL, key))
            self._counts[key] = len(rows)
        return [(keys.number_of(row), keys.unpack(value, KeptMail)) for row, value in rows]

    def _box(self, key: DeploymentKey) -> _Box:
        box = self._boxes.get(key)
        if box is None:
            rows = self._database.scan(keys.of_deployment(keys.MAIL, key))
            begin = keys.of_deployment(keys.MAIL_IDS, key)
            seen = [(row[len(begin) :].decode(), keys.unpack(at, int)) for row, at in self._database.scan(begin)]
            ids = OrderedDict(sorted(seen, key=lambda pair: pair[1]))
            box = self._boxes[key] = _Box(keys.number_of(rows[-1][0]) if rows else 0, ids)
        return box


def _id(key: DeploymentKey, id: str) -> bytes:
    return keys.of_deployment(keys.MAIL_IDS, key) + id.encode()


def _too_old(ids: "OrderedDict[str, int]", by_ms: int) -> list[str]:
    """Return the ids that are not asked for any more, and the oldest where there are too many."""
    beyond = max(0, len(ids) + 1 - IDS_MAX)
    old = []
    for number, (id, seen_ms) in enumerate(ids.items()):
        if number >= beyond and seen_ms > by_ms:
            break
        old.append(id)
    return old

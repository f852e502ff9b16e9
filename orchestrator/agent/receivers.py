"""One receiver of news: a thread that sends what it was not told yet, no faster than it may, again after a failure.

News waits here by subject, the newest in place of an older one, so that the queue is bounded by what there is, and by a
number. The states that were told are kept in the store: a restart repeats nothing and forgets nothing.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from random import Random
from typing import NamedTuple

from orchestrator.agent.senders import ForgeSender, GitNoteSender, NotificationSender, Poster, Sender, SendFailed
from orchestrator.concurrency.clock import Clock
from orchestrator.contract.documents import ReceiverView
from orchestrator.fetch.limits import FetchSettings
from orchestrator.model.event import Announce
from orchestrator.model.settings import ForgeSection, NotificationSection
from orchestrator.model.source import GitSpec, SourceSpec
from orchestrator.notify.pace import SendRate, backoff_ms
from orchestrator.notify.transitions import CommitState, Notice, commit_in, next_told
from orchestrator.store.database import DatabaseFault
from orchestrator.store.told import ToldStates

LOG = logging.getLogger("agent")
QUEUE_MAX = 1_000  # subjects that wait; beyond that the oldest makes way, and is told with its next change
REFUSED_MAX = 5  # attempts with news that a server says it will never take
_CHANCE = Random().random  # noqa: S311 — for waits that should not all end at once


class Interest(NamedTuple):
    """The news that a receiver is told: of the subjects that it `concerns`, the `words`; None for every word.

    Another word about such a subject is noted as if it was told, so that the next of the words is news again.
    """

    concerns: Callable[[Notice], bool]
    words: frozenset[str] | None = None


class Receiver:
    """A receiver, by its name and kind, of the news that it has an interest in.

    Larger than most, as a queue, its pace and its counts change together.
    """

    def __init__(
        self, named: tuple[str, str], interest: Interest, sender: Sender, told: ToldStates, per_minute: int,
        clock: Clock, announce: Announce,
    ) -> None:  # fmt: skip
        self.name, self._kind = named
        self._interest, self._sender, self._told = interest, sender, told
        self._clock, self._announce = clock, announce
        self._changed = threading.Condition()
        self._queue: dict[str, Notice] = {}
        self._states, self.is_known = told.of(self.name)
        self._allowance = SendRate(per_minute, clock.monotonic_ms())
        self._attempts = _Attempts()
        self._is_closed = False
        self._thread = threading.Thread(target=self._go, name=f"airs-tell-{self.name}", daemon=True)

    def begin(self) -> None:
        """Send from now on."""
        self._thread.start()

    def close(self) -> None:
        """Begin to send nothing any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for what is being sent, but not for long."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def suppose(self, notices: Iterable[Notice]) -> None:
        """Take it that a new receiver knows these, so that it is not told of all that has been so for long."""
        states = {each.subject: each.state for each in notices if self.concerns(each)}
        self._states = {**states, **self._states}
        self._keep(states)
        self.is_known = True

    def offer(self, notices: Iterable[Notice]) -> None:
        """Offer news, some of which may be known already; from the thread that looks."""
        silent: dict[str, str] = {}
        with self._changed:
            for notice in filter(self.concerns, notices):
                if self._interest.words is not None and notice.word not in self._interest.words:
                    self._queue.pop(notice.subject, None)
                    if self._states.get(notice.subject, notice.state) != notice.state:
                        silent[notice.subject] = notice.state
                    continue
                self._put(notice)
            self._states = {**self._states, **silent} if silent else self._states
            self._changed.notify()
        if silent:
            self._keep(silent)

    def _put(self, notice: Notice) -> None:
        subject, queued = notice.subject, self._queue.get(notice.subject)
        found = next_told(notice, self._states.get(subject), queued)
        if found is not queued or found is None:
            self._queue.pop(subject, None)
            if found is not None:
                self._queue[subject] = found
        while len(self._queue) > QUEUE_MAX:
            self._queue.pop(next(iter(self._queue)))
            self._attempts.dropped += 1

    @property
    def is_forge(self) -> bool:
        """Whether it is told of commits."""
        return self._interest.words is None

    def concerns(self, notice: Notice) -> bool:
        """Whether news of this subject may be told it."""
        return self._interest.concerns(notice)

    def pending_commits(self, source: str) -> Iterator[str]:
        """Yield the commits of a source that it was told are pending, and nothing since."""
        for subject, state in [*self._states.items()]:
            if state == CommitState.PENDING.value and (commit := commit_in(subject, source)):
                yield commit

    def keep_only(self, subjects: Collection[str]) -> None:
        """Forget what was told of all others, but for commits that are pending there."""
        gone = {
            subject: "" for subject, state in [*self._states.items()]
            if subject not in subjects and state != CommitState.PENDING.value
        }  # fmt: skip
        if gone:
            self._states = {subject: state for subject, state in self._states.items() if subject not in gone}
            self._keep(gone)

    def send_now(self, notice: Notice) -> None:
        """Send something at once, by hand.

        Raises:
            SendFailed: it was not taken.
        """
        self._sender.send([notice])

    def view(self) -> ReceiverView:
        """Describe it."""
        now_ms, attempts = self._clock.monotonic_ms(), self._attempts
        again_ms = attempts.again_ms - now_ms
        return ReceiverView(
            name=self.name, kind=self._kind, sent=attempts.sent, sent_at=attempts.sent_ms, waiting=len(self._queue),
            dropped=attempts.dropped, failure=attempts.failure, failed_at=attempts.failed_ms,
            failures=attempts.failures, again_at=self._clock.wall_ms() + again_ms if again_ms > 0 else 0,
        )  # fmt: skip

    def _go(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._sender.send(batch)
            except SendFailed as failed:
                self._failed(batch, failed)
            except Exception as bug:
                LOG.exception("%s was not told for a fault of airs itself", self.name)
                self._failed(batch, SendFailed(f"airs failed at it: {type(bug).__name__}", is_refused=True))
            else:
                self._sent(batch)

    def _next(self) -> list[Notice] | None:
        """Wait until something is to be sent and may be; None when it is closed."""
        with self._changed:
            while not self._is_closed:
                wait_ms = self._wait_ms()
                if self._queue and not wait_ms:
                    self._allowance.take()
                    return [*self._queue.values()][: self._sender.at_once]
                self._changed.wait(wait_ms / 1000 if self._queue else None)
            return None

    def _wait_ms(self) -> int:
        now_ms = self._clock.monotonic_ms()
        return max(0, self._attempts.again_ms - now_ms, self._allowance.wait_ms(now_ms))

    def _sent(self, batch: list[Notice]) -> None:
        had_failed = self._attempts.succeed(len(batch), self._clock.wall_ms())
        self._settle(batch)
        if had_failed:
            self._announce(None, "notify-works", f"{self.name} can be told again")

    def _settle(self, batch: list[Notice]) -> None:
        """Note that these are told, and leave in the queue what became newer meanwhile."""
        states = {each.subject: each.state for each in batch}
        self._keep(states)
        with self._changed:
            self._states = {**self._states, **states}
            for each in batch:
                if self._queue.get(each.subject) is each:
                    del self._queue[each.subject]

    def _failed(self, batch: list[Notice], failed: SendFailed) -> None:
        attempts, now_ms = self._attempts, self._clock.monotonic_ms()
        is_first = attempts.fail(str(failed), self._clock.wall_ms())
        attempts.again_ms = now_ms + (failed.wait_ms or backoff_ms(attempts.failures, _CHANCE()))
        if is_first:
            self._announce(None, "notify-failing", f"{self.name} cannot be told: {failed}; it is tried again")
        if failed.is_refused and attempts.failures >= REFUSED_MAX:
            LOG.warning("%s is not told of %s any more: %s", self.name, [each.subject for each in batch], failed)
            attempts.failures, attempts.dropped = 0, attempts.dropped + len(batch)
            self._settle(batch)

    def _keep(self, states: dict[str, str]) -> None:
        try:
            self._told.keep(self.name, states)
        except DatabaseFault as fault:  # told once more after a restart, at worst
            LOG.warning("what %s was told cannot be noted: %s", self.name, fault)


class _Attempts:
    """The counts of what was sent, and of failures in a row."""

    def __init__(self) -> None:
        self.sent = self.sent_ms = self.dropped = 0
        self.failure, self.failures, self.failed_ms, self.again_ms = "", 0, 0, 0

    def succeed(self, count: int, now_ms: int) -> bool:
        """Note a success; whether it ends failures that were told of."""
        had_failed = self.failures > 0
        self.sent, self.sent_ms = self.sent + count, now_ms
        self.failures = self.again_ms = 0
        return had_failed

    def fail(self, why: str, now_ms: int) -> bool:
        """Note a failure; whether it is the first in a row."""
        is_first = not self.failures
        self.failure, self.failures, self.failed_ms = why, self.failures + 1, now_ms
        return is_first


class Receivers:
    """Makes receivers of the settings: what they are told, by which sender."""

    def __init__(
        self, told: ToldStates, followed: Callable[[], Mapping[str, SourceSpec]], settings: FetchSettings, lineage: str,
        clock: Clock, announce: Announce,
    ) -> None:  # fmt: skip
        self._told, self._followed, self._lineage = told, followed, lineage
        self._clock, self._announce = clock, announce
        self._poster = Poster(settings, clock.wall_ms)

    def of_forge(self, forge: ForgeSection) -> Receiver:
        """Return a forge, which is told of commits."""

        def concerns(notice: Notice) -> bool:
            if not notice.subject.startswith("commit "):
                return False
            return notice.source in forge.sources or (not forge.sources and self._repository(notice.source) is not None)

        sender: Sender = ForgeSender(forge, self._poster)
        if forge.kind == "git-note":
            sender = GitNoteSender(forge, self._local_repository, self._clock.wall_ms)
        return self._made((forge.name, forge.kind), Interest(concerns), sender, forge.per_minute)

    def of_notification(self, section: NotificationSection) -> Receiver:
        """Return a receiver of events."""

        def concerns(notice: Notice) -> bool:
            if notice.subject.startswith("commit "):
                return False
            return not section.sources or notice.source in section.sources

        sender = NotificationSender(section, self._poster, self._lineage)
        interest = Interest(concerns, frozenset(section.events))
        return self._made((section.name, section.kind), interest, sender, section.per_minute)

    def _made(self, named: tuple[str, str], interest: Interest, sender: Sender, per_minute: int) -> Receiver:
        return Receiver(named, interest, sender, self._told, per_minute, self._clock, self._announce)

    def _repository(self, source: str) -> GitSpec | None:
        spec = self._followed().get(source)
        return spec if isinstance(spec, GitSpec) else None

    def _local_repository(self, source: str) -> str:
        spec = self._repository(source)
        return spec.repository if spec is not None and spec.transport == "file" else ""

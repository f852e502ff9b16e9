"""Delivery at least once: a message is kept before its sender hears *queued*, and until it was handled well.

A message that fails is sent again, later each time, and becomes a dead letter after its last attempt. One that no
instance was given stays kept until its deployment takes messages again, in this process or the next.
"""

import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.delivery.letters import DeadLetters, Fault
from orchestrator.messaging.mailbox.batch import Parcel, Told
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.letter import DeadLetter, is_lost
from orchestrator.model.message import Exited, Mail, Outcome, Refused, Undelivered
from orchestrator.store.database import DatabaseFault
from orchestrator.store.mail import KeptMail, Mails

AGAIN_AFTER_MS = 100  # the first time, twice as long each further time
AGAIN_AFTER_MAX_MS = 30_000
LATER_MAX = 10_000  # messages of one deployment that wait to be sent again; one more is a dead letter at once
FOR_GOOD = ("expired", "dropped")  # what a mailbox does with a message, on behalf of its manifest


Record = Callable[[Route, Mail, Told], Told]


def _not_recorded(_route: Route, _mail: Mail, told: Told) -> Told:
    return told


class DurableMail:
    """Keeps the messages of deployments that want each at least once; `fault` is told of those that it could not keep.

    `record` may tell somebody else as well how they end.
    """

    def __init__(
        self, kept: Mails, letters: DeadLetters, clock: Clock, fault: Fault, record: Record = _not_recorded
    ) -> None:  # fmt: skip
        self._kept, self._letters, self._clock, self._fault, self._record = kept, letters, clock, fault, record
        self._lock = threading.Lock()
        self._under_way: dict[DeploymentKey, set[int]] = {}
        self._later: dict[DeploymentKey, int] = {}
        self._routes: dict[DeploymentKey, Route] = {}  # the newest of each deployment

    def post(self, route: Route, mail: Mail, id: str | None, *, may_wait: bool) -> tuple[int, Undelivered | None]:
        """Keep messages and put them into their mailbox: how many, and why not the others, which are not kept.

        One whose id was seen within the window is not queued again, and counts as queued.
        """
        try:
            numbers = self._keep(route, mail, id)
        except DatabaseFault as fault:
            return 0, Undelivered("delivery-failed", f"the message cannot be kept: {fault}")
        if numbers is None:
            return 1, None
        parcel = self._parcel(route, numbers, [kept_of(mail, index) for index in range(len(numbers))], mail)
        parcel.may_wait = may_wait
        queued, refused = route.post(parcel)
        if queued < len(numbers):
            self._write(lambda: self._kept.remove(route.key, numbers[queued:], id))
            self._rest(route.key, numbers[queued:])
        return queued, refused

    def resume(self, route: Route) -> None:
        """Put what is kept, and not in its mailbox yet, there: its deployment takes messages, again or at last."""
        with self._lock:  # nothing is kept meanwhile: it would be taken for a message kept before
            try:
                found = self._kept.read(route.key)
            except DatabaseFault as fault:
                self._fault(f"messages to {route.key} cannot be read: {fault}")
                return
            self._routes[route.key] = route
            under_way = self._under_way.setdefault(route.key, set()) if found else frozenset[int]()
            mails = [(number, mail) for number, mail in found if number not in under_way]
            if mails:
                self._under_way[route.key] |= {number for number, _ in mails}
        for number, mail in mails:
            self._send(route, number, mail)

    def count(self, key: DeploymentKey) -> int:
        """Count the messages to a deployment that are kept."""
        return self._kept.count(key)

    def dead_letters(self, key: DeploymentKey) -> int:
        """Count the dead letters of a deployment."""
        return self._letters.count(key)

    def _keep(self, route: Route, mail: Mail, id: str | None) -> Sequence[int] | None:
        with self._lock:
            under_way = self._under_way.setdefault(route.key, set())
            if id is None:
                first = self._kept.keep(route.key, [kept_of(mail, index) for index in range(len(mail.payloads))])
                numbers = range(first, first + len(mail.payloads))
            else:
                window_ms = route.mailbox.dedupe_ms
                number = self._kept.keep_once(route.key, kept_of(mail, 0), id, self._clock.wall_ms(), window_ms)
                if number is None:
                    return None
                numbers = range(number, number + 1)
            under_way |= set(numbers)
        return numbers

    def _send(self, route: Route, number: int, mail: KeptMail) -> None:
        parcel = self._parcel(route, [number], [mail], mail_of(mail))
        parcel.was_let_in = True
        queued, _ = route.post(parcel)
        if not queued:
            self._wait_for_opening(route.key, number)

    def _parcel(self, route: Route, numbers: Sequence[int], kept: Sequence[KeptMail], mail: Mail) -> Parcel:
        def told(first: int, outcomes: Sequence[Outcome]) -> None:
            end = first + len(outcomes)
            self._ended(route, numbers[first:end], kept[first:end], outcomes)

        return Parcel(mail, self._record(route, mail, told))

    def _ended(
        self, route: Route, numbers: Sequence[int], mails: Sequence[KeptMail], outcomes: Sequence[Outcome]
    ) -> None:  # fmt: skip
        ends = [*zip(numbers, mails, outcomes, strict=True)]
        done = [number for number, _, outcome in ends if not is_lost(outcome)]
        if done:
            self._write(lambda: self._kept.remove(route.key, done))
            self._rest(route.key, done)
        for number, mail, outcome in ends if len(done) < len(ends) else ():
            if isinstance(outcome, Refused | Exited):
                self._failed(route, number, mail, outcome)
            elif isinstance(outcome, Undelivered):
                self._not_given(route, number, mail, outcome)

    def _failed(self, route: Route, number: int, mail: KeptMail, outcome: Outcome) -> None:
        """Send a message again, later; or never more."""
        again = replace(mail, attempts=mail.attempts + 1)
        if again.attempts >= route.mailbox.attempts or not self._has_room_for_later(route.key):
            self._bury(route, number, again, outcome)
            return
        self._write(lambda: self._kept.change(route.key, number, again))
        route.sends_again()

        def send() -> None:
            self._count_later(route.key, -1)
            self._send(self._routes.get(route.key, route), number, again)

        self._clock.call_later(after_ms(again.attempts), send)

    def _not_given(self, route: Route, number: int, mail: KeptMail, outcome: Undelivered) -> None:
        if outcome.case in FOR_GOOD:
            self._bury(route, number, replace(mail, attempts=mail.attempts + 1), outcome)
        else:
            self._wait_for_opening(route.key, number)

    def _wait_for_opening(self, key: DeploymentKey, number: int) -> None:
        self._rest(key, [number])
        route = self._routes.get(key)
        if route is not None and route.is_open:  # it opened before this one was known to wait for that
            self.resume(route)

    def _bury(self, route: Route, number: int, mail: KeptMail, outcome: Outcome) -> None:
        def write(letters: Sequence[DeadLetter]) -> None:
            self._kept.bury(route.key, [number], letters)

        self._letters.keep(route, mail_of(mail), [(0, outcome)], write, mail.attempts)
        self._rest(route.key, [number])

    def _rest(self, key: DeploymentKey, numbers: Sequence[int]) -> None:
        with self._lock:
            self._under_way[key] -= set(numbers)

    def _has_room_for_later(self, key: DeploymentKey) -> bool:
        with self._lock:
            if self._later.get(key, 0) >= LATER_MAX:
                return False
            self._later[key] = self._later.get(key, 0) + 1
            return True

    def _count_later(self, key: DeploymentKey, count: int) -> None:
        with self._lock:
            self._later[key] += count

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except DatabaseFault as fault:
            self._fault(f"the outcome of a message is not kept, it may be sent again: {fault}")


def after_ms(attempts: int) -> int:
    """Return how long a message rests after so many attempts."""
    return min(AGAIN_AFTER_MS << min(attempts - 1, 20), AGAIN_AFTER_MAX_MS)


def kept_of(mail: Mail, index: int) -> KeptMail:
    """Return one message of some mail as it is kept."""
    payload = bytes(mail.payloads[index])
    return KeptMail(
        mail.sender, payload, mail.timestamp_ns, mail.correlation_id, mail.content_type, 0, mail.conversation,
        mail.topic, mail.to,
    )  # fmt: skip


def mail_of(kept: KeptMail) -> Mail:
    """Return a kept message, to be sent."""
    return Mail(
        kept.sender, (kept.payload,), kept.sent_ns, kept.correlation_id, kept.content_type, kept.conversation,
        kept.topic, kept.to,
    )  # fmt: skip

"""Dead letters: messages that ended badly and whose sender is not told so, kept to be sent again."""

import threading
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.messaging.mailbox.batch import Told
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.router import Router
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.letter import DeadLetter, Resent, is_lost, letter_of, why_lost
from orchestrator.model.message import Mail, Outcome, Undelivered
from orchestrator.store.database import DatabaseFault
from orchestrator.store.letters import Letters

Heard = Callable[[ComponentId, ComponentId, Outcome], None]  # sender, target
Fault = Callable[[str], None]
Write = Callable[[Sequence[DeadLetter]], None]


class DeadLetters:
    """Keeps what was lost. `heard` is told of each, `fault` of those that could not be kept."""

    def __init__(self, kept: Letters, clock: Clock, heard: Heard, fault: Fault) -> None:
        self._kept, self._clock, self._heard, self._fault = kept, clock, heard, fault
        self._lock = threading.Lock()
        self._on_their_way: set[int] = set()

    def told(self, route: Route, mail: Mail) -> Told:
        """Return the function to tell the outcomes of messages to a route, if their sender is not told."""

        def told(first: int, outcomes: Sequence[Outcome]) -> None:
            lost = [(index, outcome) for index, outcome in enumerate(outcomes, first) if is_lost(outcome)]
            if lost:
                self.keep(route, mail, lost, self._kept.keep)

        return told

    def keep(
        self, route: Route, mail: Mail, lost: Sequence[tuple[int, Outcome]], write: Write, attempts: int = 1
    ) -> None:  # fmt: skip
        """Make letters of some messages of a mail, by their index, and have `write` keep them."""
        key, at_ms = route.key, self._clock.wall_ms()
        route.lost(len(lost))
        self._write(lambda: write([letter_of(key, mail, index, how, at_ms, attempts) for index, how in lost]))
        for _, outcome in lost:
            self._heard(mail.sender, ComponentId(key.namespace, key.name), outcome)

    def count(self, key: DeploymentKey) -> int:
        """Count those of one deployment, those on their way anew among them."""
        return self._kept.count(key)

    def letters(self, key: DeploymentKey | None) -> Iterator[tuple[int, DeadLetter, bool]]:
        """Yield those of one deployment or of all, oldest first: number, letter, and whether it was sent again."""
        for number, _ in self._kept.numbers(key):
            letter = self._kept.read(number)
            if letter is not None:
                yield number, letter, number in self._on_their_way

    def send_again(self, router: Router, key: DeploymentKey, numbers: Sequence[int] | None) -> Resent:
        """Send letters of a deployment again, all of them or some; each is kept until it was handled well.

        Raises:
            DatabaseFault: they could not be read.
        """
        sent = 0
        for number in self._chosen(key, numbers):
            letter = self._kept.read(number)
            if letter is None or not self._leaves(number):
                continue
            refused = self._send(router, number, letter)
            if refused is not None:
                self._comes_back(number)
                return Resent(sent=sent, why=f"{refused.case}: {refused.detail}")
            sent += 1
        return Resent(sent=sent)

    def discard(self, key: DeploymentKey, numbers: Sequence[int] | None) -> int:
        """Forget letters of a deployment, all of them or some; returns how many.

        Raises:
            DatabaseFault: they could not be written.
        """
        return self._kept.remove(key, self._chosen(key, numbers))

    def unknown(self, key: DeploymentKey, numbers: Sequence[int]) -> list[int]:
        """Return those numbers that are no letter of a deployment."""
        known = {number for number, _ in self._kept.numbers(key)}
        return [number for number in numbers if number not in known]

    def _chosen(self, key: DeploymentKey, numbers: Sequence[int] | None) -> Sequence[int]:
        return [number for number, _ in self._kept.numbers(key)] if numbers is None else numbers

    def _send(self, router: Router, number: int, letter: DeadLetter) -> Undelivered | None:
        def told(_first: int, outcomes: Sequence[Outcome]) -> None:
            self._ended(number, letter, outcomes[0])

        _, refused = router.send_many(letter.key, letter.mail, lambda _key: True, told)
        return refused

    def _ended(self, number: int, letter: DeadLetter, outcome: Outcome) -> None:
        if is_lost(outcome):
            reason, detail = why_lost(outcome)
            again = replace(
                letter, reason=reason, detail=detail, at_ms=self._clock.wall_ms(), attempts=letter.attempts + 1
            )
            self._write(lambda: self._kept.replace(number, again))
            self._heard(letter.sender, ComponentId(letter.key.namespace, letter.key.name), outcome)
        else:
            self._write(lambda: self._kept.remove(letter.key, [number]))
        self._comes_back(number)

    def _leaves(self, number: int) -> bool:
        with self._lock:
            if number in self._on_their_way:
                return False
            self._on_their_way.add(number)
            return True

    def _comes_back(self, number: int) -> None:
        with self._lock:
            self._on_their_way.discard(number)

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except DatabaseFault as fault:
            self._fault(f"dead letters are not kept: {fault}")

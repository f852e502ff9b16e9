"""Sends what a file or a pipe says, a message a line, as fast as the mailbox takes it."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from orchestrator.client import AgentClient
from orchestrator.contract.bodies import MANY_MAX, MANY_MAX_BYTES
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import MESSAGE_MAX_BYTES

READ_BYTES = 256 << 10


class Sending:
    """Messages on their way to one deployment. `queued` is how many have been queued."""

    def __init__(self, client: AgentClient, name: ComponentId, conversation: str | None, timeout_s: float) -> None:
        self._client, self._name, self._conversation, self._timeout_s = client, name, conversation, timeout_s
        self.queued = 0

    def send(self, lines: BinaryIO) -> None:
        """Queue a message for each line.

        Raises:
            Failure: a line is too long, the mailbox stayed full, or the agent refused; it says how many were queued.
        """
        try:
            for messages in _chunks(lines):
                self._queue(messages)
        except Failure as failure:
            before = f"{self.queued} messages were queued before"
            detail = f"{failure.detail}; {before}" if failure.detail else before
            raise Failure(failure.summary, detail, failure.suggestion, failure.exit_code) from None

    def _queue(self, messages: Sequence[bytes]) -> None:
        while messages:
            queued = self._client.send_many(self._name, messages, self._conversation, self._timeout_s)
            self.queued += queued
            messages = messages[queued:]


def _chunks(lines: BinaryIO) -> Iterator[list[bytes]]:
    """Yield lines as they come, as many as may be sent together."""
    chunk: list[bytes] = []
    size = 0
    for line in _split(lines):
        if line is not None and (len(chunk) == MANY_MAX or size + len(line) > MANY_MAX_BYTES // 2):
            yield chunk
            chunk, size = [], 0
        if line is not None:
            chunk.append(line)
            size += len(line)
        elif chunk:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _split(lines: BinaryIO) -> Iterator[bytes | None]:
    """Yield lines without their ends, and None where the next is not there yet."""
    number, rest = 1, b""
    # The lines in a pipe are sent at once: their writer may wait for the outcome.
    while data := lines.read1(READ_BYTES):  # type: ignore[attr-defined]
        *whole, rest = (rest + data).split(b"\n")
        for line in [*whole, rest]:
            if len(line) > MESSAGE_MAX_BYTES:
                problem = f"line {number} is longer than {MESSAGE_MAX_BYTES} bytes, which a message has at most"
                raise Failure(problem, exit_code=USAGE)
            number += 1
        number -= 1
        yield from whole
        yield None
    if rest:
        yield rest

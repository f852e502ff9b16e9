"""Serves dead letters: lists them, sends them again and forgets them."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator.agent import views
from orchestrator.agent.messages import Messages
from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import Serves, json_answer, json_line
from orchestrator.agent.routes.manual import note
from orchestrator.agent.routes.parameters import deployment_in, key_in, numbers_in
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import JSON_LINES
from orchestrator.contract.documents import Discarded
from orchestrator.model.who import Verb


class DeadLetterRoutes:
    """The routes of dead letters."""

    def __init__(self, operations: Operations, messages: Messages) -> None:
        self._operations, self._messages = operations, messages

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.DEAD_LETTERS: self.dead_letters,
            endpoints.SEND_AGAIN: self.send_again,
            endpoints.DISCARD: self.discard,
        }

    async def dead_letters(self, request: Request) -> Response:
        """Return dead letters as lines, of one deployment or of all."""
        letters = self._messages.letters.letters(deployment_in(request))
        lines = (json_line(views.dead_letter_view(*letter)) for letter in letters)
        return StreamingResponse(lines, media_type=JSON_LINES)

    async def send_again(self, request: Request) -> Response:
        """Send dead letters again."""
        numbers = numbers_in(request, "number")
        resent = await run_in_threadpool(self._messages.send_again, key_in(request), numbers)
        await note(self._operations, request, Verb.REPLAY, resent.sent, numbers)
        return json_answer(resent)

    async def discard(self, request: Request) -> Response:
        """Forget dead letters."""
        numbers = numbers_in(request, "number")
        count = await run_in_threadpool(self._messages.discard, key_in(request), numbers)
        await note(self._operations, request, Verb.DISCARD, count, numbers)
        return json_answer(Discarded(discarded=count))

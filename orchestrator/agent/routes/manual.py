"""Acts of operators, on their way from a request to the controller, with who asks and why."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.log import LOG
from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import json_answer
from orchestrator.agent.routes.parameters import by_whom, key_in
from orchestrator.agent.trouble import Trouble
from orchestrator.contract.documents import Done
from orchestrator.execute.commands import Command
from orchestrator.model.who import Verb

NUMBERS_TOLD = 20  # of dead letters, in an entry of the history


async def obey(operations: Operations, request: Request, command: Command) -> Response:
    """Carry a command out, and answer with what was done or begun."""
    by = await by_whom(request)
    try:
        begun = await run_in_threadpool(operations.obey, command, by)
    except Trouble as trouble:
        LOG.info("refused %s: %s: %s", by, type(command).__name__.lower(), trouble.problem.summary)
        raise
    return json_answer(Done(message=begun.message, goal=begun.goal, rollout=begun.rollout))


async def note(
    operations: Operations, request: Request, verb: Verb, count: int, numbers: tuple[int, ...] | None
) -> None:
    """Write down what somebody did with dead letters, if there were any."""
    if not count:
        return
    which = f" ({', '.join(map(str, numbers[:NUMBERS_TOLD]))})" if numbers else ""
    detail = f"{count} dead letter{'s' * (count != 1)}{which}"
    await run_in_threadpool(operations.note, key_in(request), verb, await by_whom(request), detail)

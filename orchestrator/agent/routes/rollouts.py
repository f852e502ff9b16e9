"""Serves what an operator may do with a rollout, and the way back to an earlier revision."""

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import Serves
from orchestrator.agent.routes.manual import obey
from orchestrator.agent.routes.parameters import is_set, key_in
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Problem
from orchestrator.execute.commands import Abort, Command, PauseRollout, Promote, Resume, Retry, Rollback

ROLLOUT_VERBS: dict[str, type[Command]] = {
    "promote": Promote, "pause": PauseRollout, "resume": Resume, "abort": Abort, "retry": Retry,
}  # fmt: skip


class RolloutRoutes:
    """The routes of rollouts."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.ROLLBACK: self.rollback,
            endpoints.ROLLOUT: self.rollout,
        }

    async def rollback(self, request: Request) -> Response:
        """Go back to an earlier revision."""
        to = request.query_params.get("to")
        if to is not None and not (to.isascii() and to.isdigit() and len(to) < 10):
            raise Trouble(400, Problem(summary=f"--to takes a revision's number, not {to[:20]!r}", exit_code=USAGE))
        back = Rollback(key_in(request), int(to) if to else None, force=is_set(request, "force"))
        return await obey(self._operations, request, back)

    async def rollout(self, request: Request) -> Response:
        """Promote, pause, resume, abort or retry a rollout."""
        verb = request.path_params["verb"]
        if verb not in ROLLOUT_VERBS:
            raise Trouble(404, Problem(summary=f"no rollout verb {verb[:20]!r}", exit_code=USAGE))
        if verb == "promote":
            return await obey(self._operations, request, Promote(key_in(request), full=is_set(request, "full")))
        return await obey(self._operations, request, ROLLOUT_VERBS[verb](key_in(request)))

"""Serves deployments and their instances: how they are, what they were, their restart and their deletion."""

from collections.abc import Callable, Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent import views
from orchestrator.agent.compilations import Compilations
from orchestrator.agent.describe_sources import SourceSeen, awaited_in, blocked_in, seen_source
from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import Serves, json_answer, json_list
from orchestrator.agent.routes.manual import obey
from orchestrator.agent.routes.parameters import NUMBER_DIGITS, is_set, key_in
from orchestrator.agent.sources import Sources
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import JSON
from orchestrator.contract.codes import USAGE
from orchestrator.contract.documents import DeploymentView, Done
from orchestrator.contract.problem import Problem
from orchestrator.controller.loop import Controller
from orchestrator.execute.commands import Delete, Restart
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment


class DeploymentRoutes:
    """The routes of deployments."""

    def __init__(
        self, operations: Operations, controller: Controller, sources: Sources, compilations: Compilations,
        signed: views.SignedBy, dated: views.Dated, look_again: Callable[[], None],
    ) -> None:  # fmt: skip
        self._operations, self._controller = operations, controller
        self._signed, self._dated, self._look_again = signed, dated, look_again
        self._sources, self._compilations = sources, compilations

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.DEPLOYMENTS: self.deployments,
            endpoints.DEPLOYMENT: self.deployment,
            endpoints.DELETE: self.delete,
            endpoints.HISTORY: self.history,
            endpoints.REVISION: self.revision,
            endpoints.RESTART: self.restart,
            endpoints.LOOK_AGAIN: self.look_again,
        }

    async def deployments(self, _request: Request) -> Response:
        """List every deployment."""
        return Response(await run_in_threadpool(self._described), media_type=JSON)

    def _described(self) -> bytes:
        """Describe each and forget it: views of thousands at once would be kept, and looked through, for nothing."""
        return json_list(self._each())

    def _each(self) -> Iterator[DeploymentView]:
        sources, told = self._sources.seen(), set[DeploymentKey]()
        never_ran = self._never_ran(sources)  # before the others: what is created meanwhile is told once, not never
        for seen in self._controller.observe_each():
            told.add(seen.record.key)
            yield self._view(seen, sources)
        yield from (view for key, view in never_ran if key not in told)

    def _never_ran(self, sources: dict[str, SourceSeen]) -> list[tuple[DeploymentKey, DeploymentView]]:
        """Describe those that are wanted and have no record."""
        records = self._controller.ledger.records
        awaited = [(each.key, views.awaited_view(each)) for each in awaited_in(sources, records)]
        return awaited + [(each.key, views.blocked_view(each)) for each in blocked_in(sources, records)]

    def _view(self, seen: ObservedDeployment, sources: dict[str, SourceSeen]) -> DeploymentView:
        return views.deployment_view(
            seen, seen_source(sources, seen.record.source), self._compilations.of, self._signed, self._dated
        )

    async def deployment(self, request: Request) -> Response:
        """Describe one deployment."""
        key = key_in(request)
        sources = await run_in_threadpool(self._sources.seen)  # first: what is created meanwhile is found below
        found = await run_in_threadpool(self._controller.observe_one, key)
        if found is None:
            for never_ran, view in self._never_ran(sources):
                if never_ran == key:
                    return json_answer(view)
            raise Trouble(404, Problem(summary=f"no deployment {key}", suggestion="`airs get deployments` lists them."))
        return json_answer(await run_in_threadpool(self._view, found, sources))

    async def history(self, request: Request) -> Response:
        """List a deployment's revisions and what was done to it by hand, oldest first; also of one that is gone."""
        key, ledger = key_in(request), self._controller.ledger
        found = views.history_of(key, ledger.history(key), ledger.acts(key))
        if not found and key not in ledger.records:
            raise Trouble(404, Problem(summary=f"no deployment {key}", suggestion="`airs get deployments` lists them."))
        return json_answer(found)

    async def revision(self, request: Request) -> Response:
        """Return what a revision contained that is kept in the history."""
        key, text = key_in(request), request.path_params["number"]
        if not (text.isascii() and text.isdigit() and len(text) < NUMBER_DIGITS):
            raise Trouble(400, Problem(summary="a revision's number is a whole number", exit_code=USAGE))
        kept = self._controller.ledger.history(key)
        found = next((number for number in kept if number.number == int(text)), None)
        if found is None:
            hint = f"Kept are: {', '.join(str(number.number) for number in kept)}." if kept else ""
            raise Trouble(404, Problem(summary=f"{key} has no revision {text}", suggestion=hint))
        return json_answer(views.revision_view(key, found))

    async def restart(self, request: Request) -> Response:
        """Restart a deployment's instances."""
        return await obey(self._operations, request, Restart(key_in(request)))

    async def look_again(self, _request: Request) -> Response:
        """Resolve and judge everything anew, as somebody else is trusted now."""
        await run_in_threadpool(self._look_again)
        return json_answer(Done(message="looking again"))

    async def delete(self, request: Request) -> Response:
        """Remove a deployment; the others that are removed with it are named `beside` it."""
        beside = tuple(map(DeploymentKey.parse, request.query_params.getlist("beside")))
        return await obey(self._operations, request, Delete(key_in(request), is_set(request, "force"), beside))

"""Serves plans of folders and the observed state that others are made from, and applies sealed plans."""

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.operations import Operations
from orchestrator.agent.planning import Planning
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.bodies import Bodies, decoded
from orchestrator.agent.routes.parameters import by_whom
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import CALL_MAX_BYTES, FactsBody, PlanWish, SiblingsBody
from orchestrator.contract.codes import INVALID
from orchestrator.contract.documents import Applied, SiblingView
from orchestrator.contract.problem import Problem
from orchestrator.controller.loop import Controller
from orchestrator.model.desired import DesiredState
from orchestrator.plan.saved import PLAN_MAX_BYTES, PlanRefused, read_plan
from orchestrator.plan.siblings import Sibling


class PlanRoutes:
    """The routes of plans."""

    def __init__(
        self, operations: Operations, planning: Planning, controller: Controller, bodies: Bodies, key: bytes
    ) -> None:  # fmt: skip
        self._operations, self._planning, self._controller = operations, planning, controller
        self._bodies, self._key = bodies, key

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.STATE: self.state,
            endpoints.PLAN: self.plan,
            endpoints.FACTS: self.facts,
            endpoints.SIBLINGS: self.siblings,
            endpoints.APPLY: self.apply,
        }

    async def state(self, _request: Request) -> Response:
        """Return the observed state a plan is made from."""
        return json_answer(await asyncio.wrap_future(self._controller.submit(self._controller.observe)))

    async def plan(self, request: Request) -> Response:
        """Plan a folder as it is now."""
        wish = decoded(await self._bodies.read(request, CALL_MAX_BYTES), PlanWish)
        return await run_in_threadpool(lambda: json_answer(self._planning.plan(wish)))

    async def facts(self, request: Request) -> Response:
        """Return the facts about some deployments that a plan tells."""
        body = decoded(await self._bodies.read(request, CALL_MAX_BYTES), FactsBody)
        facts = self._controller.known.facts
        return await run_in_threadpool(lambda: json_answer([facts(key) for key in body.keys]))

    async def siblings(self, request: Request) -> Response:
        """Return the sources of the same repository or work tree as one that a plan is made for."""
        body = decoded(await self._bodies.read(request, CALL_MAX_BYTES), SiblingsBody)
        wish = DesiredState(source=body.source, root=body.root)
        return await run_in_threadpool(lambda: json_answer([*map(_shown, self._controller.siblings.of(wish))]))

    async def apply(self, request: Request) -> Response:
        """Apply a sealed plan."""
        body = await self._bodies.read(request, PLAN_MAX_BYTES)
        fresh = request.query_params.get("fresh", "true") == "true"
        try:
            plan = await run_in_threadpool(read_plan, body, self._key)
        except PlanRefused as refused:
            problem = Problem(
                summary=refused.summary, detail=refused.detail, suggestion=refused.suggestion, exit_code=INVALID
            )
            raise Trouble(400, problem) from None
        by = await by_whom(request)
        return json_answer(Applied(outcomes=await run_in_threadpool(self._operations.apply, plan, by, fresh=fresh)))


def _shown(sibling: Sibling) -> SiblingView:
    return SiblingView(
        source=sibling.name,
        wants=tuple(sorted(sibling.wants)),
        renames=tuple(sorted(sibling.now_named.items())),
        unreadable_files=sibling.wish.unreadable_files,
        unknown=sibling.unknown,
        watched=sibling.watched,
    )

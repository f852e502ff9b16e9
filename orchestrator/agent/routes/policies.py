"""Serves the policies in force, the approvals that are wanted and given, and which grants deployments have by them."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.grants import grants_of
from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.parameters import by_whom, key_in, text_in
from orchestrator.contract import endpoints
from orchestrator.contract.documents import ApprovalView, Done, GrantView
from orchestrator.controller.loop import Controller
from orchestrator.execute.ruling import Ruling
from orchestrator.model.policy import Approval
from orchestrator.rollout.standing import leading_to


class PolicyRoutes:
    """The routes of policies."""

    def __init__(self, operations: Operations, controller: Controller, ruling: Ruling) -> None:
        self._operations, self._controller, self._ruling = operations, controller, ruling

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.POLICY: self.policy,
            endpoints.APPROVALS: self.approvals,
            endpoints.APPROVE: self.approve,
            endpoints.GRANTS: self.grants,
        }

    async def policy(self, _request: Request) -> Response:
        """Return the policies in force, with every approval."""
        return json_answer(self._ruling.rules)

    async def approvals(self, _request: Request) -> Response:
        """List the approvals that are waited for, and those that were given."""
        return json_answer(await run_in_threadpool(self._approvals))

    def _approvals(self) -> list[ApprovalView]:
        waiting = self._controller.submit(self._ruling.waiting).result()
        given = sorted(self._ruling.rules.approvals, key=lambda approval: (approval.key, approval.at_ms))
        return [*(_view(one, "waiting") for one in waiting), *(_view(one, "given") for one in given)]

    async def approve(self, request: Request) -> Response:
        """Approve exactly what a deployment waits for, which `subject` names."""
        by, subject = await by_whom(request), text_in(request, "subject") or ""
        begun = await run_in_threadpool(self._operations.approve, key_in(request), subject, by)
        return json_answer(Done(message=begun.message))

    async def grants(self, _request: Request) -> Response:
        """List the capabilities of every deployment: asked for, granted, and in force."""
        return json_answer(await run_in_threadpool(self._grants))

    def _grants(self) -> list[GrantView]:
        rules, records = self._ruling.rules, [seen.record for seen in self._controller.observe_each()]
        return [view for record in records for view in grants_of(record.key, leading_to(record), rules)]


def _view(approval: Approval, state: str) -> ApprovalView:
    return ApprovalView(
        kind="Approval", namespace=approval.key.namespace, deployment=approval.key.name, state=state,
        artifact=approval.artifact, capabilities=approval.capabilities, subject=approval.subject, by=approval.by,
        why=approval.why, at=approval.at_ms, file=f"{approval.file}:{approval.line}" if approval.file else "",
    )  # fmt: skip

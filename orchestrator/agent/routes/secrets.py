"""Serves what may be known of secrets: which there are, where from, and fingerprints. No answer holds a value."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.bodies import Bodies, decoded
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import SECRETS_MAX_BYTES, SecretsBody


class SecretRoutes:
    """The routes of secrets."""

    def __init__(self, operations: Operations, bodies: Bodies) -> None:
        self._operations, self._bodies = operations, bodies

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.SECRETS: self.secrets,
            endpoints.FINGERPRINTS: self.fingerprints,
        }

    async def secrets(self, _request: Request) -> Response:
        """List the secrets."""
        return json_answer(await run_in_threadpool(self._operations.secrets))

    async def fingerprints(self, request: Request) -> Response:
        """Tell the fingerprints of the values in force."""
        body = decoded(await self._bodies.read(request, SECRETS_MAX_BYTES), SecretsBody)
        return json_answer(await run_in_threadpool(self._operations.fingerprints, body))

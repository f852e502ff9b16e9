"""The HTTP API on the agent's socket: puts the routes of `agent/routes` together, thin over `operations` and `views`.

Callers are hostile: bodies are capped before they are read, values are decoded strictly, and no answer holds a
credential. Long-lived answers (logs, events) are newline-delimited JSON.
"""

from collections.abc import Callable
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.routing import Route

from orchestrator.agent.auditing import Auditing
from orchestrator.agent.collection import Collector
from orchestrator.agent.compilations import Compilations
from orchestrator.agent.exporting import Exporting
from orchestrator.agent.messages import Messages
from orchestrator.agent.notifying import Notifying
from orchestrator.agent.operations import Operations
from orchestrator.agent.planning import Planning
from orchestrator.agent.routes.agent import AgentRoutes, Stop
from orchestrator.agent.routes.answers import FAULTS, Serves
from orchestrator.agent.routes.bodies import Bodies
from orchestrator.agent.routes.calls import CallRoutes
from orchestrator.agent.routes.components import ComponentRoutes
from orchestrator.agent.routes.dead_letters import DeadLetterRoutes
from orchestrator.agent.routes.deployments import DeploymentRoutes
from orchestrator.agent.routes.events import EventRoutes
from orchestrator.agent.routes.exports import ExportRoutes
from orchestrator.agent.routes.jobs import JobRoutes
from orchestrator.agent.routes.messages import MessageRoutes
from orchestrator.agent.routes.notify import NotifyRoutes
from orchestrator.agent.routes.plan import PlanRoutes
from orchestrator.agent.routes.policies import PolicyRoutes
from orchestrator.agent.routes.recorded import AuditRoutes, recorded
from orchestrator.agent.routes.rollouts import RolloutRoutes
from orchestrator.agent.routes.secrets import SecretRoutes
from orchestrator.agent.routes.sources import SourceRoutes
from orchestrator.agent.routes.traces import TraceRoutes
from orchestrator.agent.sources import Sources
from orchestrator.agent.views import Dated, SignedBy
from orchestrator.contract.documents import AgentView
from orchestrator.controller.loop import Controller
from orchestrator.execute.ruling import Ruling
from orchestrator.model.event import Announce
from orchestrator.observe.events import Journals


class Served(NamedTuple):
    """The parts of an agent that its API is over; `key` is what plans are sealed with."""

    operations: Operations
    planning: Planning
    sources: Sources
    messages: Messages
    controller: Controller
    journals: Journals
    compilations: Compilations
    about: Callable[[], AgentView]
    key: bytes
    stop: Stop
    may_restart: bool
    announce: Announce
    auditing: Auditing
    signed: SignedBy
    dated: Dated
    look_again: Callable[[], None]
    collector: Collector
    ruling: Ruling
    exporting: Exporting
    notifying: Notifying


class Api:
    """The routes over one agent's parts."""

    def __init__(self, parts: Served) -> None:
        self._bodies = bodies = Bodies()
        self._events = EventRoutes(parts.journals, parts.announce)
        self._serves: Serves = {
            **AgentRoutes(parts.about, parts.stop, may_restart=parts.may_restart).serves,
            **PlanRoutes(parts.operations, parts.planning, parts.controller, bodies, parts.key).serves,
            **ExportRoutes(parts.exporting).serves,
            **SecretRoutes(parts.operations, bodies).serves,
            **DeploymentRoutes(
                parts.operations,
                parts.controller,
                parts.sources,
                parts.compilations,
                parts.signed,
                parts.dated,
                parts.look_again,
            ).serves,
            **ComponentRoutes(parts.collector).serves,
            **RolloutRoutes(parts.operations).serves,
            **JobRoutes(parts.operations, lambda: parts.controller.ledger, bodies).serves,
            **SourceRoutes(parts.sources, parts.journals, bodies).serves,
            **MessageRoutes(parts.messages, bodies).serves,
            **CallRoutes(parts.messages, bodies).serves,
            **DeadLetterRoutes(parts.operations, parts.messages).serves,
            **TraceRoutes(parts.journals).serves,
            **self._events.serves,
            **PolicyRoutes(parts.operations, parts.controller, parts.ruling).serves,
            **AuditRoutes(parts.auditing).serves,
            **NotifyRoutes(parts.notifying).serves,
        }
        self._serves = recorded(self._serves, parts.auditing)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        routes = [Route(one.path, act, methods=[one.method]) for one, act in self._serves.items()]
        application = Starlette(routes=routes, exception_handlers=FAULTS)
        application.router.redirect_slashes = False
        return application

    def close(self) -> None:
        """End the answers that follow something, and those that wait for a body or for room."""
        self._bodies.closing.set()
        self._events.close()

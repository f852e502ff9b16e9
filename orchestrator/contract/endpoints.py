"""Every route of the agent's API: method, path, what it takes and answers, and how it may end. Nothing here acts.

The agent serves exactly these and the client asks exactly these; a test holds both against this table.
"""

from typing import Any, Generic, NamedTuple, TypeVar

from orchestrator.contract.bodies import (
    CallBody,
    FactsBody,
    Many,
    PlanWish,
    RemoveBody,
    RunBody,
    SecretsBody,
    SiblingsBody,
    SourceWish,
)
from orchestrator.contract.documents import (
    ActView,
    AgentView,
    Applied,
    ApprovalView,
    CollectedView,
    DeadLetterView,
    DeploymentView,
    Discarded,
    Done,
    Ended,
    GrantView,
    HistoryView,
    Planned,
    Printed,
    Published,
    Queued,
    Removal,
    RevisionView,
    RunView,
    SessionView,
    SiblingView,
    SourceAdded,
    SourcesAsked,
    SourceView,
    SubscriptionView,
    UpBegan,
    UpEvent,
    UpLook,
)
from orchestrator.model.audit import AuditHead
from orchestrator.model.event import Event, LogLine
from orchestrator.model.facts import DeploymentFacts
from orchestrator.model.hop import Conversation
from orchestrator.model.letter import Resent
from orchestrator.model.observed import ObservedState
from orchestrator.model.policy import PolicySet
from orchestrator.model.secret import SecretView

T = TypeVar("T")
ANYTHING: Any = Any  # JSON
RUNNING: Any = Printed | Ended
UP_LINE: Any = UpBegan | UpEvent | UpLook
ASK_AGAIN = "airs-ask-again"  # a header of 503: nothing was begun, and another process answers soon
EVERY = (200, 405, 503)  # how any may end
ASKED = (400, 404)  # those of a deployment: it may be misspelt, or not there
BODY = (400, 413)
REPLY = (400, 413, 422, 502, 504)  # those that come to a guest


class Endpoint(NamedTuple, Generic[T]):
    """One route. With `lines`, an answer is any number of `answers`, each JSON on a line of its own."""

    method: str
    path: str
    answers: type[T]
    ends: tuple[int, ...] = ()
    takes: Any = None
    lines: bool = False

    @property
    def statuses(self) -> frozenset[int]:
        """Every status that an answer may have."""
        return frozenset((*EVERY, *self.ends))


ONE = "/v1/deployments/{namespace}/{name}"

AGENT = Endpoint("GET", "/v1/agent", AgentView)
STOP = Endpoint("POST", "/v1/agent/stop", Done, (400,))
RESTART_AGENT = Endpoint("POST", "/v1/agent/restart", Done, (400, 409))
STATE = Endpoint("GET", "/v1/state", ObservedState)
EXPORT = Endpoint("GET", "/v1/state/export", bytes, (409,))
PLAN = Endpoint("POST", "/v1/plan", Planned, (*BODY, 409), PlanWish)
FACTS = Endpoint("POST", "/v1/facts", list[DeploymentFacts], BODY, FactsBody)
SIBLINGS = Endpoint("POST", "/v1/siblings", list[SiblingView], BODY, SiblingsBody)
APPLY = Endpoint("POST", "/v1/apply", Applied, (*BODY, 409), bytes)
SECRETS = Endpoint("GET", "/v1/secrets", list[SecretView])
FINGERPRINTS = Endpoint("POST", "/v1/secrets/fingerprints", list[SecretView], BODY, SecretsBody)
COLLECT_COMPONENTS = Endpoint("POST", "/v1/components/collect", CollectedView, (400,))
DEPLOYMENTS = Endpoint("GET", "/v1/deployments", list[DeploymentView])
SOURCES = Endpoint("GET", "/v1/sources", list[SourceView])
ADD_SOURCE = Endpoint("POST", "/v1/sources", SourceAdded, (*BODY, 409), SourceWish)
SUSPEND_SOURCE = Endpoint("POST", "/v1/sources/suspend", Done, (*ASKED, 409))
LOOK_AGAIN = Endpoint("POST", "/v1/sources/look", Done)
READ_SOURCES = Endpoint("POST", "/v1/sources/read", SourcesAsked, (400, 404, 409))
RESUME_SOURCE = Endpoint("POST", "/v1/sources/resume", Done, (*ASKED, 409))
REMOVAL = Endpoint("GET", "/v1/sources/removal", Removal, (*ASKED, 409))
REMOVE_SOURCE = Endpoint("POST", "/v1/sources/remove", Removal, (*BODY, 404, 409), RemoveBody)
UP: Endpoint[UpBegan | UpEvent | UpLook] = Endpoint(
    "POST", "/v1/sources/up", UP_LINE, (*BODY, 409), SourceWish, lines=True
)
DEPLOYMENT = Endpoint("GET", ONE, DeploymentView, ASKED)
DELETE = Endpoint("DELETE", ONE, Done, (*ASKED, 409))
HISTORY = Endpoint("GET", ONE + "/history", list[HistoryView | ActView], ASKED)
REVISION = Endpoint("GET", ONE + "/history/{number}", RevisionView, ASKED)
SEND = Endpoint("POST", ONE + "/send", Done, (*ASKED, *BODY, 504), bytes)
SEND_MANY = Endpoint("POST", ONE + "/send-many", Queued, (*ASKED, *BODY, 504), Many)
REQUEST = Endpoint("POST", ONE + "/request", bytes, (*ASKED, *REPLY), bytes)
CALL: Endpoint[Any] = Endpoint("POST", ONE + "/call", ANYTHING, (*ASKED, *REPLY), CallBody)
RUN: Endpoint[Printed | Ended] = Endpoint("POST", ONE + "/run", RUNNING, (*ASKED, *BODY, 409), RunBody, lines=True)
SESSIONS = Endpoint("GET", ONE + "/sessions", list[SessionView], ASKED)
DROP_HANDLES = Endpoint("DELETE", ONE + "/sessions/{session}", int, (*ASKED, *REPLY))
RESTART = Endpoint("POST", ONE + "/restart", Done, (*ASKED, 409))
ROLLBACK = Endpoint("POST", ONE + "/rollback", Done, (*ASKED, 409))
ROLLOUT = Endpoint("POST", ONE + "/rollout/{verb}", Done, (*ASKED, 409))
RUNS = Endpoint("GET", "/v1/runs", RunView, (400,), lines=True)
DEAD_LETTERS = Endpoint("GET", "/v1/dead-letters", DeadLetterView, lines=True)
SEND_AGAIN = Endpoint("POST", ONE + "/dead-letters", Resent, ASKED)
DISCARD = Endpoint("DELETE", ONE + "/dead-letters", Discarded, ASKED)
TRACE = Endpoint("GET", "/v1/trace", list[Conversation], (400,))
LAST_TRACES = Endpoint("GET", ONE + "/trace", list[Conversation], ASKED)
PUBLISH = Endpoint("POST", "/v1/publish", Published, BODY, bytes)
SUBSCRIPTIONS = Endpoint("GET", "/v1/subscriptions", list[SubscriptionView])
LOGS = Endpoint("GET", "/v1/logs", LogLine, lines=True)
POLICY = Endpoint("GET", "/v1/policy", PolicySet)
APPROVALS = Endpoint("GET", "/v1/approvals", list[ApprovalView])
APPROVE = Endpoint("POST", ONE + "/approve", Done, (*ASKED, 409))
GRANTS = Endpoint("GET", "/v1/grants", list[GrantView])
TEST_NOTIFY = Endpoint("POST", "/v1/notify/test", Done, (*ASKED, 409, 502))
AUDIT = Endpoint("GET", "/v1/audit", AuditHead)
EVENTS = Endpoint("GET", "/v1/events", Event, lines=True)

ENDPOINTS: dict[str, Endpoint[Any]] = {
    name: each for name, each in list(globals().items()) if isinstance(each, Endpoint)
}

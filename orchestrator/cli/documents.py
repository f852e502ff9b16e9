"""The documents of `-o json` → JSON Schemas, committed as `schemas/*.schema.json`; `airs schema KIND` prints one.

`python -m orchestrator.cli.documents FOLDER` writes them; a test keeps them current and holds real output against them.
The plan's own is made in `plan/schema.py`.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.audit.chain import Verified
from orchestrator.cli.component import ComponentDiff, ComponentInfo
from orchestrator.cli.config import ConfigurationView
from orchestrator.cli.doctor import Doctor
from orchestrator.cli.push import PushedComponent
from orchestrator.cli.render import RenderedSource
from orchestrator.cli.secret import SealingKeysView
from orchestrator.cli.signing import KeyPair, SignedPackage, VerifiedPackage
from orchestrator.cli.state import StateKeyView
from orchestrator.cli.stored import StoredComponent
from orchestrator.cli.top import Top
from orchestrator.cli.trust import Revocation, TrustView
from orchestrator.contract.documents import (
    ActView,
    AgentView,
    ApprovalView,
    CollectedView,
    DeadLetterView,
    DeploymentView,
    Done,
    GrantView,
    GroupView,
    HistoryView,
    InstanceView,
    Published,
    ReceiverView,
    RevisionView,
    RolloutView,
    RunView,
    SessionView,
    SourceView,
    SubscriptionView,
)
from orchestrator.exported.document import ExportedState
from orchestrator.model.audit import AuditEntry, AuditHead
from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.event import Event, LogLine
from orchestrator.model.hop import Conversation
from orchestrator.model.secret import SecretView
from orchestrator.plan.action import Action
from orchestrator.plan.document import Summary
from orchestrator.plan.explain import Explanation
from orchestrator.plan.revisions import RevisionDiff

SCHEMA_ID = "https://airs.dev/schemas/{}.schema.json"


class Validation(Value, frozen=True):
    """The findings of `validate`; `valid` when no diagnostic is an error."""

    valid: bool
    deployments: int
    diagnostics: tuple[Diagnostic, ...]


class Application(Value, frozen=True):
    """The actions of `apply`, and the outcomes of the deployments it waited for; none with `--no-wait`."""

    actions: tuple[Action, ...]
    summary: Summary
    deployments: tuple[DeploymentView, ...]


class Everything(Value, frozen=True):
    """The document of `status` without a name; where no agent runs, as it was recorded last."""

    agent_running: bool
    deployments: tuple[DeploymentView, ...]
    sources: tuple[SourceView, ...]


DOCUMENTS: dict[str, Any] = {
    "validate": Validation,
    "render": RenderedSource,
    "apply": Application,
    "plan-explain": Explanation,  # `plan --explain NAME`
    "status": Everything,
    "status-deployment": DeploymentView,  # `status NAME`
    "get-deployments": tuple[DeploymentView, ...],
    "wait": tuple[DeploymentView, ...],
    "get-runs": tuple[RunView, ...],
    "get-instances": tuple[InstanceView, ...],
    "get-groups": tuple[GroupView, ...],
    "get-revisions": tuple[HistoryView, ...],
    "history": tuple[HistoryView | ActView, ...],
    "diff": RevisionDiff,
    "history-revision": RevisionView,  # `history --revision N`
    "get-sources": tuple[SourceView, ...],
    "get-dead-letters": tuple[DeadLetterView, ...],
    "trace": tuple[Conversation, ...],
    "get-subscriptions": tuple[SubscriptionView, ...],
    "publish": Published,
    "top": Top,  # one line of it
    "session-list": tuple[SessionView, ...],
    "rollout-status": RolloutView,
    "agent-status": AgentView,
    "keygen": KeyPair,
    "sign": SignedPackage,
    "verify": VerifiedPackage,
    "trust": TrustView,  # `trust add` and `trust remove`
    "trust-list": tuple[TrustView, ...],
    "trust-revoke": Revocation,
    "component-info": ComponentInfo,
    "component-diff": ComponentDiff,
    "component-install": tuple[StoredComponent, ...],
    "component-list": tuple[StoredComponent, ...],
    "state-show": ExportedState,
    "state-key": StateKeyView,
    "component-gc": CollectedView,
    "push": PushedComponent,
    "notify-list": tuple[ReceiverView, ...],
    "notify-test": Done,
    "config-show": ConfigurationView,
    "secret-list": tuple[SecretView, ...],
    "secret-rotate-key": SealingKeysView,
    "doctor": Doctor,
    "approvals": tuple[ApprovalView, ...],
    "get-grants": tuple[GrantView, ...],
    "audit-show": AuditEntry,  # one line of it
    "audit-verify": Verified,
    "audit-head": AuditHead,
    "logs": LogLine,  # one line of it
    "events": Event,  # one line of it
}


def document_schema(name: str) -> bytes:
    """Return the JSON Schema (2020-12) of one document."""
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID.format(name),
        "title": f"airs {name.replace('-', ' ')} -o json",
        **msgspec.json.schema(DOCUMENTS[name]),
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


if __name__ == "__main__":
    for each in DOCUMENTS:
        Path(sys.argv[1], f"{each}.schema.json").write_bytes(document_schema(each))

"""A snapshot of the policy source → policies, approvals and every problem; any problem makes the whole set unusable.

Half of the rules would allow what the other half forbids, so that nothing is in force of a set with an error.
"""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from orchestrator.manifest.check import check
from orchestrator.manifest.documents import Document, read_documents
from orchestrator.manifest.node import Node, Unplaced, find, nearest, plain, text_at
from orchestrator.manifest.printable import excerpt
from orchestrator.manifest.units import size_bytes
from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.policy import (
    Approval,
    CapabilityRule,
    Mode,
    NamespaceLimits,
    OnViolation,
    Policy,
    PolicySet,
    SignerRule,
)
from orchestrator.model.snapshot import Listing, Snapshot, Unreadable
from orchestrator.model.spec import Grant

KINDS = {"Policy": "policy", "Approval": "approval"}
LIMITS = {
    "deployments": "deployments", "instances": "instances", "memory": "memory_bytes", "storage": "storage_bytes",
    "fuelPerSecond": "fuel_per_s",
}  # fmt: skip


class ReadPolicies(Value, frozen=True):
    """The policies of a source; `rules` has a problem where a diagnostic is an error."""

    rules: PolicySet
    diagnostics: tuple[Diagnostic, ...] = ()


def read_policies(snapshot: Snapshot) -> ReadPolicies:
    """Read every document of a policy source; never raises, whatever the files hold."""
    policies: list[Policy] = []
    approvals: list[Approval] = []
    diagnostics: list[Diagnostic] = []
    for path in sorted(snapshot.manifests):
        file = snapshot.shown(path)
        for value in _read_file(snapshot, path):
            match value:
                case Unplaced():
                    diagnostics.append(value.within(file))
                case Policy():
                    policies.append(replace(value, file=file))
                case Approval():
                    approvals.append(replace(value, file=file))
    diagnostics += _twice(policies)
    rules = PolicySet(place=snapshot.source, revision=snapshot.revision or "", policies=tuple(policies),
                      approvals=tuple(approvals))  # fmt: skip
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    if errors:
        problem = f"{errors[0].location}: {errors[0].summary}"
        rules = PolicySet(place=rules.place, revision=rules.revision, problem=problem)
    elif not policies:
        rules = replace(rules, problem=f"{snapshot.source} holds no policy")
    return ReadPolicies(rules=rules, diagnostics=tuple(diagnostics))


def _read_file(snapshot: Snapshot, path: str) -> Iterator[Policy | Approval | Unplaced]:
    content = snapshot.files.get(path, Unreadable("missing", ""))
    if isinstance(content, Unreadable):
        yield Unplaced(0, 0, f"the file cannot be read: {content.kind}", content.detail)
        return
    assert not isinstance(content, Listing)  # of a base, which no policy has
    documents = read_documents(content.data)
    yield from documents.problems
    for document in documents.documents:
        yield from _read_document(document)


def _read_document(document: Document) -> Iterator[Policy | Approval | Unplaced]:
    root = document.root if document.root is not None else Node(None, document.line, document.column)
    yield from document.problems
    kind = text_at(root, "kind")
    if kind not in KINDS:
        what = f"kind {excerpt(kind)}" if kind else "a document without a `kind`"
        hint = "a policy source holds documents of kind Policy and Approval; move others elsewhere"
        yield Unplaced(*nearest(root, "kind"), f"{what} has no place among policies", suggestion=hint)
        return
    problems = check(KINDS[kind], root)
    yield from problems
    if document.whole and not any(p.is_error for p in (*problems, *document.problems)):
        yield _policy(root, document.line) if kind == "Policy" else _approval(root, document.line)


def _policy(root: Node, line: int) -> Policy:
    spec: dict[str, Any] = plain(find(root, "spec") or Node({}, line, 1))  # type: ignore[assignment]  # checked before
    node = find(root, "spec")
    return Policy(
        name=text_at(root, "metadata", "name") or "", file="", line=line, mode=Mode(spec.get("mode", "strict")),
        namespaces=tuple(spec.get("namespaces", ("*",))),
        signers=tuple(_signer_rules(find(node, "signers"))),
        signers_line=_line(node, "signers"),
        sources=tuple(spec["sources"]) if "sources" in spec else None,
        sources_line=_line(node, "sources"),
        forbid=tuple(_capability_rules(find(node, "forbid"))),
        approve=tuple(_capability_rules(find(node, "approve"))),
        limits=_limits(spec.get("limits", {}), _line(node, "limits")),
        on_violation=OnViolation(spec.get("onViolation", "report")),
    )  # fmt: skip


def _signer_rules(node: Node | None) -> Iterator[SignerRule]:
    for item in node.value if node is not None and isinstance(node.value, list) else ():
        said: dict[str, Any] = plain(item)  # type: ignore[assignment]
        yield SignerRule(
            components=tuple(said.get("components", ("*",))), keys=tuple(said["keys"]),
            at_least=said.get("atLeast", 1), line=item.line,
        )  # fmt: skip


def _capability_rules(node: Node | None) -> Iterator[CapabilityRule]:
    for capability, patterns in (node.value if node is not None and isinstance(node.value, dict) else {}).items():
        yield CapabilityRule(
            capability=capability, patterns=tuple(plain(patterns)),  # type: ignore[arg-type]
            line=node.keys[capability][0] if node is not None and capability in node.keys else patterns.line,
        )  # fmt: skip


def _limits(said: dict[str, Any], line: int) -> NamespaceLimits:
    sizes = {name: size_bytes(value) if isinstance(value, str) else value for name, value in said.items()}
    return NamespaceLimits(line=line, **{LIMITS[name]: value for name, value in sizes.items()})


def _approval(root: Node, line: int) -> Approval:
    spec: dict[str, Any] = plain(find(root, "spec") or Node({}, line, 1))  # type: ignore[assignment]
    grants = (Grant(capability=name, patterns=tuple(sorted(set(said)))) for name, said in spec["capabilities"].items())
    return Approval(
        key=DeploymentKey.parse(spec["deployment"]), artifact=spec["artifact"],
        capabilities=tuple(sorted(grant for grant in grants if grant.patterns)), why=spec.get("reason", ""), file="",
        line=line,
    )  # fmt: skip


def _line(node: Node | None, key: str) -> int:
    return node.keys[key][0] if node is not None and key in node.keys else 0


def _twice(policies: list[Policy]) -> Iterator[Diagnostic]:
    seen: dict[str, Policy] = {}
    for policy in policies:
        first = seen.setdefault(policy.name, policy)
        if first is not policy:
            summary = f"policy {policy.name} is written down twice, here and in {first.file}:{first.line}"
            yield Unplaced(policy.line, 1, summary, suggestion="rename or remove one").within(policy.file)

"""The policies in force, with the approvals that were recorded: one place to ask whether something may run.

The controller's thread changes it; any thread may ask. Policies are read elsewhere (`agent/policies.py`).
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec.structs import replace

from orchestrator.execute.ledger import Ledger
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Record
from orchestrator.model.policy import NO_POLICY, Approval, MachineLimits, PolicySet, RuledFolder
from orchestrator.model.signed import Signer
from orchestrator.model.spec import Deployment, Revision
from orchestrator.plan.ruled import Judging
from orchestrator.policy.judge import ALLOWED, Judgement, naming
from orchestrator.policy.overlap import folders_ruled
from orchestrator.rollout.standing import is_barred, leading_to
from orchestrator.signing.trust import Trust


class Evidence(Protocol):
    """The signatures that are known now, of what was recorded some time ago."""

    def trust(self) -> Trust:
        """Return the keys that are trusted."""

    def signers(self, revision: Revision) -> tuple[Signer, ...]:
        """Return who signed a revision."""


class Ruling:
    """The policies of one agent."""

    def __init__(self, ledger: Ledger, now_ms: Callable[[], int], evidence: Evidence) -> None:
        """Judge by no policy until there is one; `now_ms` is by the wall clock."""
        self._ledger, self._now_ms, self._evidence = ledger, now_ms, evidence
        self._read = NO_POLICY
        self._machine: MachineLimits | None = None
        self._merged: tuple[PolicySet, int, PolicySet] = (NO_POLICY, 0, NO_POLICY)

    def put(self, rules: PolicySet) -> None:
        """Judge by these from now on."""
        self._read = replace(rules, machine=self._machine)

    def limit(self, machine: MachineLimits | None) -> None:
        """Let all deployments together have no more than this, whatever the policies; before anything is planned."""
        self._machine = machine
        self.put(self._read)

    @property
    def rules(self) -> PolicySet:
        """The policies in force, with all approvals: those written beside them, and those that were recorded."""
        read, count = self._read, self._ledger.approvals_changed
        known_read, known_count, merged = self._merged
        if known_read is not read or known_count != count:
            merged = replace(read, approvals=(*read.approvals, *self._ledger.approvals.values()))
            self._merged = (read, count, merged)
        return merged

    @property
    def judging(self) -> Judging:
        """The policies in force, the time, and the keys that are trusted."""
        return Judging(rules=self.rules, now_ms=self._now_ms(), trust=self._evidence.trust())

    def of(self, deployment: Deployment, source: str) -> Judgement:
        """Judge a deployment of a source, by its name."""
        judging = self.judging
        if not judging.is_needed:
            return ALLOWED
        if deployment.revision.manifest:
            deployment = replace(deployment, signers=self._evidence.signers(deployment.revision))
        return judging.of(deployment, self._root(source))

    def _root(self, source: str) -> str:
        desired = self._ledger.desired.get(source)
        return desired.root if desired is not None else ""

    def naming(self, signer: Signer, component: str) -> tuple[str, ...]:
        """Name the policies that trust a key for a component."""
        return naming(signer, component, self._read)

    def refuses_start(self, key: DeploymentKey, revision: Revision, signers: tuple[Signer, ...]) -> str:
        """Say why a revision, signed by these, may not start; empty where it may.

        A policy that only reports lets go on what runs, and that includes another start.
        """
        record = self._ledger.records.get(key)
        if record is None or not self._read.place:
            return ""
        leading = leading_to(record)
        specs = (leading, record.stable, record.wanted)
        own = next((spec for spec in specs if spec is not None and spec.revision.id == revision.id), leading)
        verdict = self.judging.of(replace(own, signers=signers), self._root(record.source))
        return verdict.text if verdict.stops else ""

    def folders(self, key: DeploymentKey) -> tuple[RuledFolder, ...]:
        """Return the directories that a rule is about, for a deployment."""
        return tuple(folders_ruled(self._read, key.namespace))

    def told(self, key: DeploymentKey) -> str:
        """Say which rules a deployment breaks that runs, or is recorded; empty for none."""
        record = self._ledger.records.get(key)
        if record is None or not self._read.place:
            return ""
        verdict = self.of(leading_to(record), record.source)
        stopped = "stopped: " if is_barred(record) else ""
        broken = f"{stopped}{verdict.text}" if verdict.text else ""
        return "; ".join(filter(None, (broken, verdict.warning and f"warning: {verdict.warning}")))

    def violating(self) -> Iterator[tuple[DeploymentKey, str]]:
        """Yield the recorded deployments that may not run as they do, and why."""
        for key, record in self._ledger.records.items():
            verdict = self.of(leading_to(record), record.source)
            if not verdict.is_allowed:
                yield key, verdict.text

    def waiting(self) -> tuple[Approval, ...]:
        """Return the approvals that are wanted and not given, by deployment."""
        if not self._read.place:
            return ()
        found = (self.wanted_by(record) for record in self._ledger.records.values())
        unborn = (self._wanted(d, source) for source, d in self._unrecorded())
        return tuple(sorted(filter(None, (*found, *unborn)), key=lambda approval: approval.key))

    def wanted_by(self, record: Record) -> Approval | None:
        """Return the approval that a record's wanted spec waits for."""
        return None if record.deleted else self._wanted(record.wanted, record.source)

    def needed_by(self, deployment: Deployment, source: str) -> Approval | None:
        """Return the approval that a deployment of a source waits for, None for none; from any thread."""
        return self._wanted(deployment, source) if self._read.place else None

    def of_wanted(self, key: DeploymentKey) -> Approval | None:
        """Return the approval that a deployment waits for, whether or not it is recorded yet."""
        return next((approval for approval in self.waiting() if approval.key == key), None)

    def _unrecorded(self) -> list[tuple[str, Deployment]]:
        records = self._ledger.records
        return [
            (s, d) for s, desired in self._ledger.desired.items() for d in desired.deployments if d.key not in records
        ]

    def _wanted(self, deployment: Deployment, source: str) -> Approval | None:
        verdict = self.of(deployment, source)
        is_waiting = verdict.needs and any(finding.rule == "approve" for finding in verdict.findings)
        if not is_waiting:
            return None
        artifact = deployment.revision.artifact
        return Approval(
            key=deployment.key,
            artifact=artifact,
            capabilities=verdict.needs,
            file=deployment.file,
            line=deployment.line,
        )

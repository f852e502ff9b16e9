"""A revision → who signed what it runs, as that stands now: checked again before each start, and for showing.

`Guests` asks before it starts an instance, the views ask for their documents. Whether a start goes ahead is the
policy's decision; without one, nothing is required, and a signature that is no good any more is an event.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from orchestrator.contract.documents import SignerView
from orchestrator.model.audit import AuditKind
from orchestrator.model.base import Value
from orchestrator.model.event import Announce
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.signed import Signer
from orchestrator.model.snapshot import Artifact, Content, Snapshot
from orchestrator.model.spec import Revision
from orchestrator.signing.dsse import SUFFIX
from orchestrator.signing.statement import Subject
from orchestrator.signing.trust import Trust, UnknownTrust
from orchestrator.signing.verify import Signatures, signatures
from orchestrator.store.files import NotPrivate
from orchestrator.store.signatures import KeptSignatures
from orchestrator.store.trust import TrustDamaged, TrustStore

CHECKED_MAX = 20_000  # packages of which it is remembered who signed them


class Attested(Value, frozen=True):
    """The signers of a revision that are known now, and what is wrong with its signatures; empty for nothing."""

    signers: tuple[Signer, ...] = ()
    fault: str = ""


MayStart = Callable[[DeploymentKey, Revision, tuple[Signer, ...]], str]  # says why not; empty where it may


def nothing_required(_key: DeploymentKey, _revision: Revision, _signers: tuple[Signer, ...]) -> str:
    """Require nothing, as without a policy."""
    return ""


class NoteDown(Protocol):
    """Writes into the audit book."""

    def __call__(self, what: AuditKind, subject: str, **facts: str) -> None:
        """Note something; raises OSError where that could not be written."""


class Attestation:
    """An agent's knowledge of signatures. Any thread may use it."""

    def __init__(
        self, kept: KeptSignatures, trust: TrustStore, now_ms: Callable[[], int], announce: Announce, note: NoteDown
    ) -> None:
        self.kept, self._trust, self._now_ms = kept, trust, now_ms
        self._announce, self._note = announce, note
        self.may_start: MayStart = nothing_required
        self.naming: Callable[[Signer, str], tuple[str, ...]] = lambda *_: ()  # the policies that trust a key
        self._lock = threading.Lock()
        self._checked: dict[tuple[str, str], tuple[bytes, Signatures]] = {}
        self._told: dict[DeploymentKey, tuple[str, str]] = {}
        self._trust_fault = ""
        self._trust_last: Trust = UnknownTrust()

    def trust(self) -> Trust:
        """Return the keys that are trusted now; where their file cannot be read, those known last, and that is told.

        Where none were ever known, any key may be one that was revoked, and no signature counts.
        """
        try:
            self._trust_last, fault = self._trust.read(), ""
        except (TrustDamaged, NotPrivate, OSError) as problem:
            fault = str(problem)
        if fault != self._trust_fault and fault:
            stays = (
                "no signature counts"
                if isinstance(self._trust_last, UnknownTrust)
                else "the keys known last stay trusted"
            )
            self._announce(None, "host-fault", f"{stays}: {fault}")
        self._trust_fault = fault
        return self._trust_last

    def keep(self, snapshot: Snapshot) -> None:
        """Keep the signatures of a snapshot's packages, for later starts."""
        files = [e.data for path, e in snapshot.files.items() if path.endswith(SUFFIX) and isinstance(e, Content)]
        if files:
            artifacts = {entry.digest for entry in snapshot.files.values() if isinstance(entry, Artifact)}
            self.kept.keep(files, artifacts, self._note_kept)

    def _note_kept(self, subject: Subject, signers: tuple[Signer, ...]) -> None:
        self._note(AuditKind.VERIFIED, f"{subject.name} {subject.version}", **verified_facts(subject, signers))

    def signers(self, revision: Revision) -> tuple[Signer, ...]:
        """Return who signed a revision, for showing: a file that is as it was is not checked again."""
        return self._trusted(self._remembered(revision)).signers if revision.manifest else ()

    def views(self, revision: Revision) -> tuple[SignerView, ...]:
        """Describe who signed a revision, as that stands now."""
        now_ms, component = self._now_ms(), revision.component
        return tuple(SignerView.of(one, now_ms, self.naming(one, component)) for one in self.signers(revision))

    def refusal(self, key: DeploymentKey, revision: Revision) -> str:
        """Check a revision's signatures anew, tell once what is wrong with them, and say why it may not start."""
        attested = Attested() if not revision.manifest else self._trusted(self._anew(revision))
        self._tell(key, revision, attested.fault)
        refused = self.may_start(key, revision, attested.signers)
        return refused if not refused or not attested.fault else f"{refused} ({attested.fault})"

    def _anew(self, revision: Revision) -> Signatures:
        return signatures(self.kept.of(revision.artifact, revision.manifest), subject_of(revision))

    def _remembered(self, revision: Revision) -> Signatures:
        data, which = self.kept.of(revision.artifact, revision.manifest), (revision.artifact, revision.manifest)
        with self._lock:
            known = self._checked.get(which)
            if known is not None and known[0] == data:
                return known[1]
        found = signatures(data, subject_of(revision))
        with self._lock:
            if len(self._checked) >= CHECKED_MAX:
                self._checked.clear()
            self._checked[which] = data, found
        return found

    def _trusted(self, found: Signatures) -> Attested:
        signers = self.trust().recognised(found.signers)
        return Attested(signers=signers, fault=fault_of(signers, found, self._now_ms()))

    def _tell(self, key: DeploymentKey, revision: Revision, fault: str) -> None:
        """Tell of a fault once for each revision, not for each of its instances."""
        told = (revision.id, fault)
        if fault and self._told.get(key) != told:
            self._announce(key, "signature-faulty", f"{revision.version} is started, although {fault}")
        if fault:
            self._told[key] = told
        else:
            self._told.pop(key, None)


def verified_facts(subject: Subject, signers: tuple[Signer, ...]) -> dict[str, str]:
    """Say for the audit book what was signed by whom."""
    keys = ", ".join(signer.key_id for signer in signers)
    return {"artifact": subject.artifact, "manifest": subject.manifest, "signedBy": keys}


def fault_of(signers: tuple[Signer, ...], found: Signatures, now_ms: int) -> str:
    """Say what is wrong with the signatures of a revision that was signed; one good signature is enough."""
    if any(not signer.revoked and not signer.has_expired(now_ms) for signer in signers):
        return ""
    if any(signer.revoked for signer in signers):
        return f"it was signed with a revoked key, {next(s.shown for s in signers if s.revoked)}"
    if signers:
        return f"its signature has expired, by {signers[0].shown}"
    why = f": {found.broken[0].why}" if found.broken else ""
    return f"none of its signatures is good any more{why}"


def subject_of(revision: Revision) -> Subject:
    """Name the package that a signed revision is of."""
    return Subject(revision.artifact, revision.manifest, revision.component, revision.version)

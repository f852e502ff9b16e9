"""What an agent knows of signatures at a start: real files of signatures and trust, no agent."""

from pathlib import Path

import pytest

from orchestrator.agent.attestation import Attestation
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Artifact, Content, Snapshot
from orchestrator.model.spec import Limits, Revision
from orchestrator.model.world import ArtifactFault
from orchestrator.signing.trust import Trust, TrustedKey
from orchestrator.store.signatures import KeptSignatures
from orchestrator.store.trust import TrustStore
from tests.signing.samples import KEY, OTHER_SEED, SUBJECT, line

NAME = DeploymentKey("default", "counter")
LIMITS = Limits(memory_bytes=1, fuel=1, timeout_ms=1)


def revision(manifest: str = SUBJECT.manifest) -> Revision:
    return Revision(
        id="r", component=SUBJECT.name, version=SUBJECT.version, artifact=SUBJECT.artifact, stateful=False, config="{}",
        grants=(), limits=LIMITS, manifest=manifest,
    )  # fmt: skip


class Known:
    """An attestation over a folder, its clock, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.now_ms, self.told, self.noted = 1_000, [], []
        self.kept, self.trust = KeptSignatures(folder / "signatures"), TrustStore(folder / "trust.json")
        self.attestation = Attestation(
            self.kept, self.trust, lambda: self.now_ms, lambda _, reason, told, *__: self.told.append((reason, told)),
            lambda what, subject, **facts: self.noted.append((what.value, subject)),
        )  # fmt: skip

    def have(self, data: bytes) -> None:
        artifact = Artifact(SUBJECT.artifact, b"", ArtifactFault("", "", ""))
        files = {"c/Component.toml.dsse": Content(data), "c/x.wasm": artifact}
        self.attestation.keep(Snapshot("s", "/", "", "", (), files))

    def trusts(self, revoked_ms: int = 0) -> None:
        key = TrustedKey(key_id=KEY, name="acme", public_key=b"", revoked_ms=revoked_ms)
        self.trust.change(lambda _: Trust(keys=(key,)))


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path)


def test_a_start_of_what_was_never_signed_says_nothing(known: Known):
    assert known.attestation.refusal(NAME, revision("")) == ""
    assert (known.told, known.attestation.views(revision(""))) == ([], ())


def test_a_good_signature_is_noted_once_and_starts_without_a_word(known: Known):
    known.have(line())
    known.have(line())
    known.trusts()
    assert known.attestation.refusal(NAME, revision()) == ""
    assert known.told == []
    assert known.noted == [("verified", "counter 1.0.0")]
    assert [view.state for view in known.attestation.views(revision())] == ["trusted"]


def test_each_fault_of_a_signature_is_told_once_and_its_end_makes_it_news_again(known: Known):
    known.have(line(expires_ms=5_000))
    known.trusts()
    for now_ms in (1_000, 5_000, 6_000):
        known.now_ms = now_ms
        known.attestation.refusal(NAME, revision())
    known.trusts(revoked_ms=6_000)
    known.attestation.refusal(NAME, revision())
    known.trusts()
    known.now_ms = 1_000
    known.attestation.refusal(NAME, revision())
    next(iter((known.kept._folder).iterdir())).write_bytes(line().replace(b"payload", b"peyload", 1))
    known.attestation.refusal(NAME, revision())
    known.attestation.refusal(NAME, revision())
    short = f"acme ({KEY[:20]})"
    assert known.told == [
        ("signature-faulty", f"1.0.0 is started, although its signature has expired, by {short}"),
        ("signature-faulty", f"1.0.0 is started, although it was signed with a revoked key, {short}"),
        ("signature-faulty", f"1.0.0 is started, although none of its signatures is good any more: {BROKEN}"),
    ]
    assert known.attestation.views(revision()) == ()


BROKEN = "it is no DSSE envelope: Object missing required field `payload`"


def test_one_good_signature_is_enough(known: Known):
    known.have(line(expires_ms=5_000) + line(seed=OTHER_SEED))
    known.now_ms = 9_000
    assert known.attestation.refusal(NAME, revision()) == ""
    assert known.told == []


def test_a_policy_that_refuses_is_obeyed_and_given_the_signers(known: Known):
    seen = []

    def refuse(key, asked, signers) -> str:
        seen.append((key, asked.version, [signer.name for signer in signers]))
        return "policy production wants 2 signers"

    known.have(line(expires_ms=5_000))
    known.trusts()
    known.attestation.may_start = refuse
    assert known.attestation.refusal(NAME, revision()) == "policy production wants 2 signers"
    assert seen == [(NAME, "1.0.0", ["acme"])]
    known.now_ms = 5_000
    assert "(its signature has expired, by acme" in known.attestation.refusal(NAME, revision())


def test_a_damaged_file_of_trust_changes_nothing_that_was_known(known: Known):
    known.have(line())
    known.trusts()
    assert known.attestation.trust().find("acme")
    (known.trust._path).write_text("{")
    assert [view.state for view in known.attestation.views(revision())] == ["trusted"]
    assert "the keys known last stay trusted" in known.told[0][1]


def test_a_damaged_file_of_trust_trusts_nobody_and_is_told_once(known: Known):
    known.have(line())
    known.trusts()
    (known.trust._path).write_text("{")
    for _ in range(2):
        assert [view.state for view in known.attestation.views(revision())] == ["revoked"]  # any key may be
    assert [reason for reason, _ in known.told] == ["host-fault"]
    assert "does not say who is trusted" in known.told[0][1]

"""Who is trusted, and the signatures of what may have to start: real files, several processes, damage."""

import multiprocessing
import os
from pathlib import Path

import pytest

from orchestrator.signing.trust import KEYS_MAX, Trust, TrustedKey, with_key, without_key
from orchestrator.signing.verify import signatures
from orchestrator.store.files import NotPrivate
from orchestrator.store.signatures import KeptSignatures
from orchestrator.store.trust import TrustDamaged, TrustStore
from tests.signing.samples import KEY, OTHER_SEED, SUBJECT, line

ACME = TrustedKey(key_id=KEY, name="acme", public_key=b"k")


def test_trust_is_read_again_once_somebody_changed_it(tmp_path: Path):
    mine, theirs = TrustStore(tmp_path / "trust.json"), TrustStore(tmp_path / "trust.json")
    assert mine.read() == Trust()
    theirs.change(lambda trust: with_key(trust, ACME))
    assert mine.read().find("acme") == mine.read().find(KEY[8:14]) == (ACME,)
    assert mine.read() is mine.read()
    theirs.change(lambda trust: without_key(trust, KEY))
    assert mine.read() == Trust()


def _add_many(path: Path, who: int) -> None:
    for number in range(10):
        key = TrustedKey(key_id=f"ed25519:{who:016x}{number:016x}", name=f"k{who}-{number}", public_key=b"")
        TrustStore(path).change(lambda trust, key=key: with_key(trust, key))


def test_processes_that_change_it_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "trust.json"
    spawned = multiprocessing.get_context("fork")
    workers = [spawned.Process(target=_add_many, args=(path, who)) for who in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(TrustStore(path).read().keys) == 30


def test_a_file_that_others_may_write_or_that_is_damaged_says_nothing(tmp_path: Path):
    path = tmp_path / "trust.json"
    path.write_text("{}")
    path.chmod(0o666)
    with pytest.raises(NotPrivate):
        TrustStore(path).read()
    path.chmod(0o600)
    for damaged in (b"", b"[]", b'{"keys": 1}', b'{"keys": [], "more": 1}', b'{"\xff": 1}'):
        path.write_bytes(damaged)
        os.utime(path, ns=(1, len(damaged)))
        with pytest.raises(TrustDamaged, match="airs trust add"):
            TrustStore(path).read()


def test_a_machine_knows_so_many_keys_and_no_more(tmp_path: Path):
    store = TrustStore(tmp_path / "trust.json")
    many = [TrustedKey(key_id=f"ed25519:{n:032x}", name=f"k{n}", public_key=b"\0" * 32) for n in range(KEYS_MAX + 1)]
    store.change(lambda _: Trust(keys=tuple(many[1:])))
    with pytest.raises(ValueError, match="at most"):
        store.change(lambda _: Trust(keys=tuple(many)))
    assert len(store.read().keys) == KEYS_MAX


def test_good_signatures_are_kept_once_by_what_they_sign_and_told_before(tmp_path: Path):
    kept, told = KeptSignatures(tmp_path / "signatures"), []
    other = SUBJECT._replace(manifest="sha256:" + "c3" * 32)
    files = [
        line() + b"{}\n" + line(seed=OTHER_SEED),
        line(other),
        line(SUBJECT._replace(artifact="sha256:" + "0" * 64)),
    ]
    for _ in range(2):
        kept.keep(files, {SUBJECT.artifact}, lambda subject, signers: told.append((subject, len(signers))))
    assert told == [(SUBJECT, 1), (SUBJECT, 1), (other, 1)]
    assert kept.of(SUBJECT.artifact, SUBJECT.manifest) == line() + line(seed=OTHER_SEED)
    assert kept.of(SUBJECT.artifact, other.manifest) == line(other)
    assert kept.of("sha256:" + "0" * 64, SUBJECT.manifest) == b""
    KeptSignatures(tmp_path / "signatures").keep(files, {SUBJECT.artifact})
    assert len(list((tmp_path / "signatures").iterdir())) == 2


def test_a_signature_that_could_not_be_told_of_is_not_kept_and_tried_again(tmp_path: Path):
    kept = KeptSignatures(tmp_path / "signatures")

    def refuse(*_) -> None:
        raise OSError("the book is full")

    with pytest.raises(OSError, match="full"):
        kept.keep([line()], {SUBJECT.artifact}, refuse)
    assert kept.of(SUBJECT.artifact, SUBJECT.manifest) == b""
    kept.keep([line()], {SUBJECT.artifact})
    assert kept.of(SUBJECT.artifact, SUBJECT.manifest) == line()


def test_signatures_go_with_their_artifact_and_can_come_back(tmp_path: Path):
    kept = KeptSignatures(tmp_path / "signatures")
    kept.keep([line()], {SUBJECT.artifact})
    kept.collect(lambda: {SUBJECT.artifact})
    assert kept.of(SUBJECT.artifact, SUBJECT.manifest)
    kept.collect(lambda: ())
    assert not kept.of(SUBJECT.artifact, SUBJECT.manifest)
    kept.keep([line()], {SUBJECT.artifact})
    assert kept.of(SUBJECT.artifact, SUBJECT.manifest)


def test_a_signature_that_is_renewed_takes_the_place_of_the_one_before(tmp_path: Path):
    kept = KeptSignatures(tmp_path / "signatures")
    for month in range(1, 100):
        renewed = line(expires_ms=month * 1_000)
        kept.keep([renewed], {SUBJECT.artifact})
        assert kept.of(SUBJECT.artifact, SUBJECT.manifest) == renewed
    kept.keep([line(expires_ms=5)], {SUBJECT.artifact})  # one that ends before
    assert kept.of(SUBJECT.artifact, SUBJECT.manifest) == renewed
    other = line(seed=OTHER_SEED)
    kept.keep([line() + other], {SUBJECT.artifact})  # for ever
    assert kept.of(SUBJECT.artifact, SUBJECT.manifest) == line() + other


def test_strangers_with_many_keys_keep_no_signature_out(tmp_path: Path):
    kept = KeptSignatures(tmp_path / "signatures")
    for n in range(2, 100):
        kept.keep([line(seed=bytes([n]) * 32)], {SUBJECT.artifact})
    kept.keep([line()], {SUBJECT.artifact})
    found = signatures(kept.of(SUBJECT.artifact, SUBJECT.manifest), SUBJECT)
    assert KEY in {signer.key_id for signer in found.signers}
    assert found.broken == ()


def test_more_lines_than_fit_are_not_kept(tmp_path: Path):
    kept = KeptSignatures(tmp_path / "signatures")
    kept.keep([b"".join(line(seed=bytes([n]) * 32) for n in range(70))], {SUBJECT.artifact})
    assert 0 < len(kept.of(SUBJECT.artifact, SUBJECT.manifest)) < 64 << 10
    with pytest.raises(ValueError, match="not both sha256"):
        kept.of("sha256:../x", SUBJECT.manifest)

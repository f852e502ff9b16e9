"""Which commits of a real repository are accepted by real keys, and why the others are not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model.commit import Commit
from orchestrator.model.snapshot import Known, SourceFailure, Unknown
from orchestrator.model.verification import Verification, VerifyMode
from orchestrator.source import verify as verify_module
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.open import Source, open_source
from orchestrator.source.spec import parse_source
from tests.signed_commits import HAS_GPG, HAS_SSH, SignedRepository
from tests.source.conftest import references

Open = Callable[..., Source]
needs_ssh = pytest.mark.skipif(not HAS_SSH, reason="ssh-keygen is not installed")
needs_gpg = pytest.mark.skipif(not HAS_GPG, reason="gpg is not installed")
pytestmark = needs_ssh


@pytest.fixture
def repository(tmp_path: Path) -> SignedRepository:
    made = SignedRepository(tmp_path)
    (made.folder / "a.yaml").write_text("x")
    made.allow("ada")
    return made


@pytest.fixture
def opened(tmp_path: Path, repository: SignedRepository, artifacts: ArtifactCache) -> Open:
    def open_it(
        mode: str = "head", ref: str = "main", *, signers: tuple[str, ...] = ("allowed",), revoked: str = "",
        accepted: str = "",
    ) -> Source:  # fmt: skip
        keys = tuple(str(repository.keys / name) for name in signers)
        verify = Verification(mode=VerifyMode(mode), signers=keys, revoked=revoked)
        spec = parse_source(f"{repository.folder}#{ref}", cwd=tmp_path, verify=verify)
        return open_source(
            spec, references=references, artifacts=artifacts, work_dir=tmp_path / "state",
            accepted=Commit(id=accepted) if accepted else None,
        )  # fmt: skip

    return open_it


def signer_of(source: Source) -> str:
    answer = source.read()
    assert isinstance(answer, Known), answer
    assert answer.snapshot.commit is not None
    return str(answer.snapshot.commit.signer)


def refusal(source: Source) -> SourceFailure:
    answer = source.read()
    assert isinstance(answer, Unknown), answer
    assert answer.failure.refused is not None, answer.failure
    return answer.failure


def test_a_commit_by_an_allowed_signer_is_accepted_with_the_name(repository: SignedRepository, opened: Open):
    repository.commit("ada")
    assert signer_of(opened()) == "ada@example.org"
    assert signer_of(opened("every-commit")) == "ada@example.org"


def test_one_who_is_not_allowed_and_nobody_at_all_are_refused(repository: SignedRepository, opened: Open):
    commit = repository.commit("eve", "evil")
    failure = refusal(opened())
    assert f"commit {commit[:10]} of {repository.folder} is refused" in failure.summary
    assert "the key is none of those allowed" in failure.detail
    assert "it claims to be signed by SSH key SHA256:" in failure.detail
    assert "its author is Ada <ada@example.org>" in failure.detail
    repository.commit()
    assert "it is not signed" in refusal(opened()).detail


def test_a_later_good_commit_is_accepted_and_what_was_refused_is_not_verified_again(
    repository: SignedRepository, opened: Open, monkeypatch: pytest.MonkeyPatch
):
    source = opened()
    repository.commit("eve")
    refusal(source)
    with monkeypatch.context() as patched:
        patched.setattr(verify_module, "program", None)  # calling it would fail
        refusal(source)
    repository.commit("ada")
    assert signer_of(source) == "ada@example.org"


def test_other_keys_judge_the_same_commit_anew(repository: SignedRepository, opened: Open):
    source = opened()
    repository.commit("eve")
    refusal(source)
    repository.allow("ada", "eve")
    assert signer_of(source) == "eve@example.org"
    repository.allow("ada")
    assert "none of those allowed" in refusal(source).detail


@pytest.mark.parametrize(
    ("options", "revoked", "why"),
    [
        ('valid-before="20200101" ', "", "the key is not valid now"),
        ('valid-after="20400101" ', "", "the key is not valid now"),
        ('namespaces="file" ', "", "the key is none of those allowed"),
        ("", "ada.pub", "the key was revoked"),
    ],
)
def test_a_key_that_does_not_count_now_is_refused(
    repository: SignedRepository, opened: Open, options: str, revoked: str, why: str
):
    repository.allow("ada", options=options)
    repository.commit("ada")
    assert why in refusal(opened(revoked=str(repository.keys / revoked) if revoked else "")).detail


def test_several_names_of_one_key_and_patterns_are_names(repository: SignedRepository, opened: Open):
    (repository.keys / "allowed").write_text(f"ada@example.org,*@ada.org {repository.ssh_key('ada')}\n")
    repository.commit("ada")
    assert signer_of(opened()) == "ada@example.org"


def test_a_commit_that_was_changed_under_its_signature_is_refused(repository: SignedRepository, opened: Open):
    repository.commit("ada")
    raw = repository.git("cat-file", "commit", "HEAD").replace("change", "chance") + "\n"
    (repository.keys / "raw").write_text(raw)
    forged = repository.git("hash-object", "-t", "commit", "-w", str(repository.keys / "raw"))
    repository.git("update-ref", "refs/heads/main", forged)
    assert "the signature is not of this object" in refusal(opened()).detail


def test_a_signed_tag_is_accepted_by_its_own_name_alone(repository: SignedRepository, opened: Open):
    repository.commit()
    repository.tag("v1.0.0", "ada")
    assert signer_of(opened("tag", "v1.0.0")) == "ada@example.org"
    assert signer_of(opened("tag", "v1.x")) == "ada@example.org"
    repository.commit()
    repository.git("update-ref", "refs/tags/v1.1.0", "refs/tags/v1.0.0")  # an old tag under a new name
    assert "names the signed tag 'v1.0.0', which is another" in refusal(opened("tag", "v1.1.0")).detail
    repository.tag("v1.2.0")
    assert "it is not signed" in refusal(opened("tag", "v1.2.0")).detail
    repository.git("tag", "light")
    assert "is no annotated tag" in refusal(opened("tag", "light")).detail
    repository.git("branch", "side")
    assert "refs/heads/side is no tag" in refusal(opened("tag", "side")).detail


def test_every_commit_since_the_last_has_to_be_signed_by_first_parents(repository: SignedRepository, opened: Open):
    first = repository.commit("ada")
    source = opened("every-commit")
    signer_of(source)
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("", "of a contributor")
    repository.git("checkout", "--quiet", "main")
    repository.commit("ada")
    sign = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={repository.keys / 'ada.pub'}")
    repository.git(*sign, "merge", "--quiet", "--no-ff", "--gpg-sign", "--message", "merged", "side")
    merged = repository.git("rev-parse", "HEAD")
    assert signer_of(source) == "ada@example.org"  # the merge's signer answers for the contributor
    repository.commit("eve", "hidden")
    repository.commit("ada")
    for reading in (source, opened("every-commit", accepted=merged)):  # also after a restart
        assert "by Ada: hidden came before it: the key is none of those allowed" in refusal(reading).detail
    repository.git("reset", "--quiet", "--hard", merged)
    repository.commit("ada", "without it")
    assert signer_of(source) == "ada@example.org"
    repository.git("reset", "--quiet", "--hard", first)
    assert "goes back to an older commit" in refusal(source).detail
    assert signer_of(opened("every-commit")) == "ada@example.org"  # added anew


def test_a_long_history_is_fetched_as_far_as_it_is_needed_and_without_files(
    repository: SignedRepository, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from orchestrator.source import guard

    monkeypatch.setattr(guard, "DEPTHS", (2, 4, 8))
    repository.git("config", "uploadpack.allowFilter", "true")
    first = repository.commit("ada")
    for _ in range(5):
        last = repository.commit("ada")
    assert signer_of(opened("every-commit", accepted=first)) == "ada@example.org"
    (commits,) = (tmp_path / "state").glob("*-commits.git")
    kinds = repository.git("--git-dir", str(commits), "cat-file", "--batch-check=%(objecttype)", "--batch-all-objects")
    assert set(kinds.split()) == {"commit"}
    monkeypatch.setattr(guard, "DEPTHS", (2, 4))
    assert "more than 4 commits lie between" in refusal(opened("every-commit", accepted=first)).detail
    assert last


@needs_gpg
def test_openpgp_keys_verify_as_well_and_revoked_or_expired_ones_do_not(repository: SignedRepository, opened: Open):
    for name in ("bob", "eve"):
        repository.gpg_key(name)
    try:
        commit = repository.commit("gpg:bob")
        repository.tag("v1.0.0", "gpg:bob")
        assert signer_of(opened(signers=("allowed", "bob.asc"))) == "bob <bob@example.org>"
        assert signer_of(opened("tag", "v1.0.0", signers=("bob.asc",))) == "bob <bob@example.org>"
        assert "the key is none of those allowed" in refusal(opened(signers=("eve.asc",))).detail
        assert "no key of that kind is allowed" in refusal(opened()).detail
        repository.revoke_gpg_key("bob")
        failure = refusal(opened(signers=("bob.asc",)))
        assert "the key was revoked; it claims to be signed by bob <bob@example.org>" in failure.detail
        assert commit[:10] in failure.summary
    finally:
        repository.end_gpg_agent()


def test_a_missing_program_is_named_and_tried_again(
    repository: SignedRepository, opened: Open, monkeypatch: pytest.MonkeyPatch
):
    repository.commit("ada")
    source = opened()
    with monkeypatch.context() as patched:
        patched.setattr(verify_module, "program", lambda _name: None)
        failure = refusal(source)
    assert "ssh-keygen is not installed, which SSH signatures need" in failure.detail
    assert "apt install openssh-client" in failure.suggestion
    assert signer_of(source) == "ada@example.org"


@pytest.mark.parametrize("harm", ["gone", "writable", "private"])
def test_keys_that_cannot_be_trusted_verify_nothing(repository: SignedRepository, opened: Open, harm: str):
    repository.commit("ada")
    allowed = repository.keys / "allowed"
    if harm == "gone":
        allowed.unlink()
    elif harm == "writable":
        allowed.chmod(0o666)
    else:
        allowed.write_bytes((repository.keys / "ada").read_bytes())
    assert "nothing can be verified" in refusal(opened()).detail

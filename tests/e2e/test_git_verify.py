"""Commits that have to be signed: one that is not is refused, what ran goes on, and everybody can see why."""

import shutil

import pytest

from tests.e2e.conftest import EXAMPLES, Airs, wait_until
from tests.signed_commits import HAS_SSH, SignedRepository

pytestmark = pytest.mark.skipif(not HAS_SSH, reason="ssh-keygen is not installed")


@pytest.fixture
def repository(airs: Airs) -> SignedRepository:
    made = SignedRepository(airs.folder)
    shutil.copytree(EXAMPLES / "01-hello", made.folder / "hello", ignore=shutil.ignore_patterns("src", "README.md"))
    made.allow("ada")
    return made


def point(repository: SignedRepository, version: str) -> None:
    text = (EXAMPLES / "01-hello" / "manifests" / "hello.yaml").read_text()
    (repository.folder / "hello" / "manifests" / "hello.yaml").write_text(text.replace("1.0.0", version))


def test_a_commit_that_is_not_signed_is_refused_and_what_ran_goes_on(airs: Airs, repository: SignedRepository):
    place, keys = f"{repository.folder}#main:hello/manifests", repository.keys / "allowed"
    verified = ("--verify", "head", "--signers", keys)
    unsigned = repository.commit()
    refused = airs.quick("plan", place, *verified, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"commit {unsigned[:10]} of {repository.folder} is refused" in refused.stderr
    assert "it is not signed" in refused.stderr
    first = repository.commit("ada", "first")
    assert f"{first[:10]} by Ada, signed by ada@example.org: first" in airs.quick("plan", place, *verified).stdout

    airs.run("source", "add", place, "--name", "shop", "--interval", "50ms", *verified)
    assert f"source shop at {first[:10]}, signed by ada@example.org" in airs.quick("status").stdout
    point(repository, "1.1.0")
    evil = repository.commit("eve", "evil")
    wait_until(lambda: airs.json("source", "show", "shop")["refused"])
    seen = airs.json("source", "show", "shop")
    assert seen["revision"] == first
    assert (seen["refused"]["commit"]["id"], seen["refused"]["commit"]["author"]) == (evil, "Ada <ada@example.org>")
    assert seen["refused"]["claims"].startswith("SSH key SHA256:")
    told = airs.quick("status").stdout
    assert "refused since" in told
    assert f"commit {evil[:10]} of {repository.folder} is refused: the key is none of those allowed" in told
    assert f"head, by keys of {keys}" in airs.quick("source", "show", "shop").stdout
    assert (airs.version(), airs.json("get", "deployments")[0]["sync"]) == ("1.0.0", "stale")
    assert f"verify=head by {keys}" in airs.quick("audit", "show", "shop", "--kind", "source").stdout
    audited = airs.quick("audit", "show", "shop", "--kind", "commit-refused").stdout
    assert f"commit={evil}" in audited
    assert audited.count("\n") == 1
    assert "commit-refused" in airs.quick("events").stdout

    airs.quick("agent", "stop")
    airs.run("agent", "start")  # an agent to come refuses it as well
    wait_until(lambda: airs.json("source", "show", "shop")["refused"])
    assert airs.version() == "1.0.0"
    repository.commit("ada", "checked")
    wait_until(lambda: airs.version() == "1.1.0")
    assert airs.json("source", "show", "shop")["staleSince"] is None
    history = airs.quick("history", "hello").stdout
    assert history.count("Ada, signed by ada@example.org") == 2

    again = airs.quick("source", "add", place, "--name", "shop", "--no-wait")
    assert "its commits were verified, and are not any more" in again.stderr


def test_a_first_commit_that_is_refused_ends_the_adding_and_stays_watched(airs: Airs, repository: SignedRepository):
    repository.commit()
    place, keys = f"{repository.folder}#main:hello/manifests", repository.keys / "allowed"
    options = ("--name", "shop", "--interval", "50ms", "--signers", keys)
    added = airs.run("source", "add", place, *options, "--verify", "every-commit", check=False)
    assert added.returncode == 1
    assert "a commit of shop is refused, so nothing was read" in added.stderr
    repository.commit("ada")
    wait_until(lambda: airs.version() == "1.0.0")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--verify", "head"), "--signers FILE is missing"),
        (("--signers", "/etc/hostname"), "--verify head|tag|every-commit is missing"),
        (("--verify", "head", "--signers", "/no/such/file"), "/no/such/file is no file of keys"),
        (("--verify", "tag", "--signers", "/etc/hostname"), "HEAD is no tag"),
    ],
)
def test_options_that_verify_nothing_are_refused(
    airs: Airs, repository: SignedRepository, options: tuple[str, ...], said: str
):
    refused = airs.quick("plan", f"{repository.folder}#", *options, check=False)
    assert (refused.returncode, refused.stdout) == (64, "")
    assert said in refused.stderr
    folder = airs.quick("plan", repository.folder, "--verify", "head", "--signers", "/etc/hostname", check=False)
    assert (folder.returncode, "only the commits of a repository are signed" in folder.stderr) == (64, True)

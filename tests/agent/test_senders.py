"""One request to a server that may be anybody: what is sent, what is made of its answer, and where nothing is sent."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent.senders import ForgeSender, GitNoteSender, NotificationSender, Poster, SendFailed
from orchestrator.fetch.limits import FetchSettings
from orchestrator.model.settings import ForgeSection, NotificationSection
from orchestrator.notify.transitions import CommitState, commit_notice
from tests.fetch.web import Web, endless, redirects, serves
from tests.fetch.web import web as served

SHA = "a" * 40
SUCCESS = commit_notice("shop", SHA, CommitState.SUCCESS, "said", 0)
NOW_MS = 1_700_000_000_000
GITLAB = b'{"message": "Cannot transition status via :enqueue from :pending (Reasons)"}'


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with served() as made:
        yield made


@pytest.fixture
def token(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("hush-hush\n")
    return str(file)


def sender(web: Web, token: str, kind: str = "gitlab") -> ForgeSender:
    forge = ForgeSection(name="f", kind=kind, url=web.url, repository="o/r", token_file=token, context="airs")
    return ForgeSender(forge, Poster(FetchSettings(), lambda: NOW_MS))


def refuses(status: int, body: bytes = b"no", **headers: str):
    return serves(body, status, **headers)


ANSWERS = {
    "created": (serves(b"{}", 201), None),
    "no-content": (serves(b"", 204), None),
    "has-it": (refuses(400, GITLAB), None),
    "wrong": (refuses(400), (0, True, "answered 400: no")),
    "no-such-commit": (refuses(422, b"No commit found"), (0, True, "answered 422: No commit found")),
    "no-rights": (refuses(403), (0, False, "answered 403")),
    "no-token": (refuses(401), (0, False, "answered 401")),
    "slowly": (refuses(429, Retry_After="7"), (7_000, False, "answered 429")),
    "limited": (
        refuses(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="1700000060"), (60_000, False, "answered 403"),
    ),
    "down": (refuses(503), (0, False, "answered 503")),
    "moved": (redirects("http://127.0.0.1:1/elsewhere"), (0, True, "answered 302")),
    "terminal": (refuses(500, b"\x1b[31mred\r\n" * 90), (0, False, "answered 500: [31mred")),
    "endless": (endless, None),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_says_whether_it_was_taken_and_when_to_try_again(web: Web, token: str, name: str):
    route, expected = ANSWERS[name]
    web.routes[f"/api/v4/projects/o%2Fr/statuses/{SHA}"] = route
    if expected is None:
        sender(web, token).send([SUCCESS])
        return
    with pytest.raises(SendFailed) as failed:
        sender(web, token).send([SUCCESS])
    wait_ms, is_refused, said = expected
    assert (failed.value.wait_ms, failed.value.is_refused) == (wait_ms, is_refused)
    assert said in str(failed.value)
    assert str(failed.value).isprintable()
    assert "hush" not in str(failed.value)
    assert all("elsewhere" not in path for _, path, _ in web.asked)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest", "neither encrypted nor authenticated"),
        ("https://169.254.169.254/latest", "where no server for others is"),
        ("http://example.org/hook", "neither encrypted nor authenticated"),
        ("https://[::ffff:169.254.169.254]/hook", "where no server for others is"),
        ("file:///etc/passwd", "holds no URL"),
        ("javascript:alert(1)", "holds no URL"),
        ("https://user:hush@example.org/", "holds no URL"),
    ],
)
def test_nothing_is_sent_where_no_server_for_others_is(token: str, url: str, why: str):
    Path(token).write_text(url)
    section = NotificationSection(name="n", kind="slack", url_file=token)
    with pytest.raises(SendFailed, match=why) as failed:
        NotificationSender(section, Poster(FetchSettings(), lambda: NOW_MS), "lineage").send([SUCCESS])
    assert "hush" not in str(failed.value)


TOKENS = [(0o644, "t"), (0o600, ""), (0o600, "a\nb"), (0o600, "caf\u00e9"), (0o600, "a\x00b")]


@pytest.mark.parametrize(("mode", "text"), TOKENS)
def test_a_token_is_one_line_that_nobody_else_may_read(web: Web, token: str, mode: int, text: str):
    Path(token).write_text(text)
    Path(token).chmod(mode)
    before = len(web.asked)
    with pytest.raises(SendFailed):
        sender(web, token).send([SUCCESS])
    assert len(web.asked) == before


def test_a_note_is_written_beside_those_of_others_and_no_hook_runs(tmp_path: Path):
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main", ".")
    git("commit", "--quiet", "--allow-empty", "--message", "x")
    head = git("rev-parse", "HEAD")
    for hook in ("post-commit", "reference-transaction"):
        file = tmp_path / ".git" / "hooks" / hook
        file.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        file.chmod(0o755)
    git("config", "commit.gpgSign", "true")
    git("config", "gpg.program", "/bin/false")
    forge = ForgeSection(name="n", kind="git-note", context="airs")
    mine = GitNoteSender(forge, lambda _: str(tmp_path), lambda: NOW_MS)
    hostile = commit_notice("shop", head, CommitState.FAILURE, "-F /etc/passwd $(touch ran)", 0)
    mine.send([commit_notice("shop", head, CommitState.PENDING, "soon", 0)])
    mine.send([commit_notice("tax", head, CommitState.SUCCESS, "in", 0)])
    mine.send([hostile])
    assert git("notes", "--ref=airs", "show", head).splitlines() == [
        "airs/tax: success at 2023-11-14T22:13:20.000Z: in",
        "airs/shop: failure at 2023-11-14T22:13:20.000Z: -F /etc/passwd $(touch ran)",
    ]
    assert not (tmp_path / "ran").exists()
    assert git("status", "--porcelain") == ""
    with pytest.raises(SendFailed, match="takes no note"):
        mine.send([SUCCESS])  # of a commit that is not there
    with pytest.raises(SendFailed, match="takes no note"):
        GitNoteSender(forge, lambda _: str(tmp_path / "gone"), lambda: NOW_MS).send([SUCCESS])
    with pytest.raises(SendFailed, match="name the `repository`"):
        GitNoteSender(forge, lambda _: "", lambda: NOW_MS).send([SUCCESS])

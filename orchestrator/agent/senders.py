"""News → one request, or one git note, sent now: it succeeds, or says why not and when another attempt may go better.

Blocks for as long as a server takes, within limits; `receivers.py` calls it on a thread for each receiver.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from orchestrator.agent.webhook_secrets import private_text
from orchestrator.fetch.http import Http, HttpAnswer, target_of
from orchestrator.fetch.limits import FetchFailed, FetchSettings
from orchestrator.model.settings import ForgeSection, NotificationSection
from orchestrator.notify.forges import (
    NOTE_REF,
    OutgoingRequest,
    context_of,
    is_known_already,
    noted,
    status_request,
)
from orchestrator.notify.messages import LINES_MAX, cloud_event, rfc3339, slack_message
from orchestrator.notify.pace import asked_wait_ms
from orchestrator.notify.transitions import Notice
from orchestrator.notify.words import clean, filled_link
from orchestrator.source.command import GitCommand, GitFailed

ANSWER_BYTES = 4 << 10  # of an answer that are looked at
TIMEOUT_S, STALL_S = 20.0, 10.0
_LATER = (401, 403, 404, 408, 425, 429)  # besides 5xx: mended there, or with other credentials
_NOTES = {"user.name": "airs", "user.email": "airs@localhost", "commit.gpgSign": "false"}


class SendFailed(Exception):
    """News was not taken. `wait_ms` is what the server asks to wait; `is_refused` says that this news never will be."""

    def __init__(self, why: str, *, wait_ms: int = 0, is_refused: bool = False) -> None:
        super().__init__(why)
        self.wait_ms, self.is_refused = wait_ms, is_refused


class Sender(Protocol):
    """Sends news to one receiver; at most so many at once."""

    at_once: int

    def send(self, notices: Sequence[Notice]) -> None:
        """Send news now.

        Raises:
            SendFailed: it was not taken.
        """


class Poster:
    """Posts requests by the rules for hosts that are not trusted, and reads what came of it."""

    def __init__(self, settings: FetchSettings, now_ms: Callable[[], int]) -> None:
        self._http = Http(replace(settings, timeout_s=TIMEOUT_S, stall_s=STALL_S))
        self.now_ms = now_ms

    def post(self, request: OutgoingRequest, kind: str) -> None:
        """Send a request.

        Raises:
            SendFailed: it was not taken; the text holds neither URL nor credentials.
        """
        try:
            with self._http.send(
                request.method, request.url, request.headers, authorization=request.authorization, body=request.body
            ) as answer:
                self._judge(answer, kind)
        except FetchFailed as failed:
            raise SendFailed(failed.sentence) from None

    def _judge(self, answer: HttpAnswer, kind: str) -> None:
        status, host = answer.status, answer.target.authority
        if 200 <= status < 300:
            return
        said = _beginning(answer)
        if is_known_already(kind, status, said):
            return
        wait_ms = asked_wait_ms(answer.header("Retry-After"), self.now_ms() / 1000) or self._until_reset(answer)
        told = clean(said.decode("utf-8", "replace"), 120)
        why = f"{host} answered {status}{f': {told}' if told else ''}"
        is_refused = status < 500 and status not in _LATER and not wait_ms
        raise SendFailed(why, wait_ms=wait_ms, is_refused=is_refused)

    def _until_reset(self, answer: HttpAnswer) -> int:
        """Return how long GitHub wants to be left alone, which says so in headers of its own."""
        reset = answer.header("X-RateLimit-Reset")
        if answer.header("X-RateLimit-Remaining") != "0" or not (reset.isascii() and reset.isdecimal()):
            return 0
        return asked_wait_ms(str(max(0, int(reset[:12]) - self.now_ms() // 1000)), 0)


def _beginning(answer: HttpAnswer) -> bytes:
    """Read the first bytes of an answer, as far as there are any."""
    taken = b""
    try:
        for chunk in answer.chunks(1 << 20):
            taken += chunk
            if len(taken) >= ANSWER_BYTES:
                break
    except FetchFailed:  # the status says enough
        return taken[:ANSWER_BYTES]
    return taken[:ANSWER_BYTES]


class ForgeSender:
    """Gives commits their states at a forge."""

    at_once = 1

    def __init__(self, forge: ForgeSection, poster: Poster) -> None:
        self._forge, self._poster = forge, poster

    def send(self, notices: Sequence[Notice]) -> None:
        """Set the state of one commit."""
        token = _only_line(self._forge.token_file)
        for notice in notices:
            self._poster.post(status_request(self._forge, token, notice), self._forge.kind)


class GitNoteSender:
    """Writes the states of commits into notes of a repository on this machine."""

    at_once = 1

    def __init__(self, forge: ForgeSection, repository_of: Callable[[str], str], now_ms: Callable[[], int]) -> None:
        self._forge, self._repository_of, self._now_ms = forge, repository_of, now_ms

    def send(self, notices: Sequence[Notice]) -> None:
        """Write the note of one commit."""
        for notice in notices:
            folder = _git_folder(self._forge.repository or self._repository_of(notice.source))
            try:
                with _locked(folder):
                    self._write(GitCommand(folder, "file", {}), notice)
            except GitFailed as failed:
                raise SendFailed(f"{folder} takes no note: {failed.said}") from None
            except OSError as error:
                raise SendFailed(f"{folder} takes no note: {error.strerror}") from None

    def _write(self, git: GitCommand, notice: Notice) -> None:
        git.run("cat-file", "-e", f"{notice.commit}^{{commit}}")  # notes may be of what is not there
        notes = ("notes", f"--ref={NOTE_REF}")
        try:
            before = git.run(*notes, "show", notice.commit)
        except GitFailed:  # there is none yet, or no such commit, which writing tells
            before = ""
        link = filled_link(self._forge.link, notice.fields)
        text = noted(before, context_of(self._forge, notice.source), notice, link, rfc3339(self._now_ms()))
        git.run(*notes, "add", "--force", f"--message={text}", notice.commit, settings=_NOTES)


def _git_folder(repository: str) -> Path:
    if not repository:
        raise SendFailed("its source is no repository on this machine; name the `repository`", is_refused=True)
    path = Path(repository.removeprefix("file://"))
    inner = path / ".git"
    return inner if inner.is_dir() else path


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other agents off the notes of a repository meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class NotificationSender:
    """Tells people or programs of events."""

    def __init__(self, section: NotificationSection, poster: Poster, lineage: str) -> None:
        self._section, self._poster, self._lineage = section, poster, lineage
        self.at_once = LINES_MAX if section.kind == "slack" else 1

    def send(self, notices: Sequence[Notice]) -> None:
        """Send one request."""
        section, now_s = self._section, self._poster.now_ms() // 1000
        url = self._url()
        if section.kind == "slack":
            self._poster.post(slack_message(section, notices, url), section.kind)
            return
        secret = _only_line(section.secret_file) if section.secret_file else ""
        for notice in notices:
            self._poster.post(cloud_event(section, notice, url, secret, self._lineage, now_s), section.kind)

    def _url(self) -> str:
        url = self._section.url or _only_line(self._section.url_file)
        try:
            target_of(url)
        except FetchFailed:  # whose text shows the URL, which may be a secret
            raise SendFailed(f"{self._section.url_file or 'its url'} holds no URL like https://…") from None
        return url


def _only_line(file: str) -> str:
    text, problem = private_text(file)
    line = text.strip()
    if problem or not line or not (line.isascii() and line.isprintable()):
        raise SendFailed(problem or f"{file} does not hold one line of text")
    return line

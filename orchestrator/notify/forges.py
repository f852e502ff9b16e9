"""A commit's state → the request that tells a forge of it, and the line that a git note gets.

The shapes are those of the forges' documents: GitHub `POST /repos/{owner}/{repo}/statuses/{sha}`, GitLab
`POST /api/v4/projects/{id}/statuses/{sha}`, Gitea and Forgejo `POST /api/v1/repos/{owner}/{repo}/statuses/{sha}`.
"""

from typing import NamedTuple
from urllib.parse import quote

import msgspec

from orchestrator.model.settings import ForgeSection
from orchestrator.notify.transitions import CommitState, Notice
from orchestrator.notify.words import clean, filled_link

DEFAULT_URLS = {"github": "https://api.github.com", "gitlab": "https://gitlab.com"}
DESCRIPTION_MAX = {"github": 140, "gitlab": 255, "gitea": 255, "forgejo": 255}
CONTEXT_MAX = 100
NOTE_REF = "airs"  # of refs/notes
_STATES = {
    "github": {CommitState.SUPERSEDED: "error"},
    "gitlab": {CommitState.FAILURE: "failed", CommitState.SUPERSEDED: "canceled"},
    "gitea": {CommitState.SUPERSEDED: "error"},
    "forgejo": {CommitState.SUPERSEDED: "error"},
}
_SAME_STATE = b"Cannot transition status via"  # of GitLab, for a state that the commit has


class OutgoingRequest(NamedTuple):
    """A request as it is sent; `authorization` goes to the host of the URL alone."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    authorization: str = ""

    def __repr__(self) -> str:
        return f"{self.method} …"  # a URL, a header and a body may each hold a secret


def status_request(forge: ForgeSection, token: str, notice: Notice) -> OutgoingRequest:
    """Make the request that gives a commit its state at a forge."""
    kind, state = forge.kind, CommitState(notice.word)
    base = (forge.url or DEFAULT_URLS[kind]).rstrip("/")
    said = {
        "state": _STATES[kind].get(state, state.value),
        "description": clean(notice.sentence, DESCRIPTION_MAX[kind]),
        "name" if kind == "gitlab" else "context": context_of(forge, notice.source),
    }
    link = filled_link(forge.link, notice.fields)
    if link:
        said["target_url"] = link
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    sha, authorization = quote(notice.commit, safe=""), f"token {token}"
    if kind == "gitlab":
        url = f"{base}/api/v4/projects/{quote(forge.repository, safe='')}/statuses/{sha}"
        headers["PRIVATE-TOKEN"], authorization = token, ""
    elif kind == "github":
        url = f"{base}/repos/{quote(forge.repository)}/statuses/{sha}"
        headers |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        authorization = f"Bearer {token}"
    else:
        url = f"{base}/api/v1/repos/{quote(forge.repository)}/statuses/{sha}"
    return OutgoingRequest("POST", url, headers, msgspec.json.encode(said), authorization)


def context_of(forge: ForgeSection, source: str) -> str:
    """Name the status, so that several sources and agents may each have one on the same commit."""
    return clean(f"{forge.context}/{source}", CONTEXT_MAX)


def is_known_already(kind: str, status: int, answer: bytes) -> bool:
    """Whether a forge refuses a state because the commit has it, which is no failure."""
    return kind == "gitlab" and status == 400 and _SAME_STATE in answer


def noted(before: str, context: str, notice: Notice, link: str, at: str) -> str:
    """Return the text of a commit's note, with the line of this context in place of the one before."""
    others = [line for line in before.splitlines() if line.strip() and not line.startswith(f"{context}: ")]
    behind = f" {link}" if link else ""
    return "\n".join([*others, f"{context}: {notice.word} at {at}: {notice.sentence}{behind}"]) + "\n"

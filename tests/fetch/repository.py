"""A git server on loopback: `git http-backend` behind a small server, which can want a login."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from .web import Web, serves
from .web import web as served

BRANCH = "main"
ME = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


class Repository:
    """A repository with a work tree, and the address that it is served at."""

    def __init__(self, folder: Path, web: Web) -> None:
        self.folder, self.web, self.login = folder, web, ""
        folder.mkdir()
        self.git("init", "--quiet", f"--initial-branch={BRANCH}")
        self.git("config", "http.receivepack", "false")
        web.routes = _Routes(self)  # type: ignore[assignment]

    @property
    def url(self) -> str:
        return f"{self.web.url}/repo.git"

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env={**os.environ, **ME}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, bytes], *options: str) -> str:
        """Write files, commit, and return the commit."""
        for name, data in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--message=x", *options)
        return self.git("rev-parse", "HEAD")

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        if self.login and to.headers.get("Authorization") != self.login:
            return serves(b"", 401, WWW_Authenticate='Basic realm="x"')(to)
        path, _, query = to.path.partition("?")
        length = int(to.headers.get("Content-Length", "0"))
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.folder / ".git"), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path.removeprefix("/repo.git"), "QUERY_STRING": query, "REQUEST_METHOD": to.command,
            "CONTENT_TYPE": to.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(length),
            "HTTP_GIT_PROTOCOL": to.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": to.headers.get("Content-Encoding", ""), **ME,
        }  # fmt: skip
        body = to.rfile.read(length)
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, data = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(headers.pop("Status", "200").split()[0])
        to.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            to.send_header(name, value)
        to.end_headers()
        to.wfile.write(data)
        return None


class _Routes(dict):
    def __init__(self, repository: Repository) -> None:
        super().__init__()
        self._repository = repository

    def get(self, key, default=None):
        return self._repository.answer


@contextmanager
def repository(folder: Path) -> Iterator[Repository]:
    with served() as web:
        yield Repository(folder, web)

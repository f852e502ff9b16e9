"""Runs the `git` command so that nothing a repository says can make it run anything else; `git.py` calls it.

The environment is built from nothing, no configuration of the system or the user is read, and every argument list is
ours: text from outside stands only behind `--end-of-options`. A command that is waited for runs through
GitPython's command runner; no `Repo` object is kept (they leak). One that is talked to is started directly: a folder in
a work tree is read on every command line, and importing GitPython takes longer than reading it. It knows nothing of
snapshots.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from git.cmd import Git

MAX_FILE_BYTES = 512 * 1024 * 1024  # of any file git writes, so of one fetched pack
FETCH_LIMIT_S = 120.0
READ_LIMIT_S = 60.0
MAX_OUTPUT_CHARACTERS = 300  # of what git said that is shown

SSH = "ssh -oBatchMode=yes -oConnectTimeout=15 -oClearAllForwardings=yes"
PASSED_ON = ("SSH_AUTH_SOCK",)  # of the caller's environment, where it hands them in

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.bigFileThreshold": "16m",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "fetch.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "submodule.recurse": "false",
    "http.followRedirects": "false",
    "http.sslVerify": "true",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "protocol.allow": "never",
    "protocol.ext.allow": "never",
    "protocol.version": "2",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Warts of old histories that can harm nobody; the other checks stay errors.
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
}
_LIMITED = 'ulimit -f "$0" 2>/dev/null; exec "$@"'  # constant; what it runs comes as arguments

_TELLING = ("fatal:", "error:", "ssh:")  # beginnings of lines that say why git failed
_OF_SSH = ("Permission denied", "Host key verification failed", "IDENTIFICATION HAS CHANGED")
_SILENT_DEATH = "fatal: fetch-pack: invalid index-pack output"  # alone: the writer of the pack was killed


class GitFailed(Exception):
    """git did not do it; `said` is what it wrote, made printable and short."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class GitCommand:
    """The git command for one repository, allowed one transport."""

    def __init__(
        self, directory: Path, transport: str, passed_on: Mapping[str, str], ssh: Callable[[], str] | None = None
    ) -> None:
        """Set it up; `ssh` tells the command by which a host is reached, where it is another than ours."""
        self._ssh = ssh
        self._directory = directory
        self._transport = transport
        self._passed_on = {name: passed_on[name] for name in PASSED_ON if name in passed_on}

    def run(self, *arguments: str, settings: Mapping[str, str] | None = None, limit_s: float = READ_LIMIT_S) -> str:
        """Run it and return what it printed.

        Raises:
            GitFailed: it failed, took longer than `limit_s`, wrote too large a file, or is not installed.
        """
        command = self._line(arguments, settings or {})
        status, out, err = _runner(self._directory).execute(
            command,
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            kill_after_timeout=limit_s,
            start_new_session=True,
        )
        if status:
            raise GitFailed(_said(status, err, limit_s))
        return bytes(out).decode("utf-8", "replace")

    @contextmanager
    def talking(self, *arguments: str, limit_s: float = READ_LIMIT_S) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Run it and yield its input and output; it is killed at the end, or after `limit_s`."""
        import subprocess  # like `shutil`, only where a folder lies in a repository

        process = subprocess.Popen(
            self._line(arguments, {}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd="/", start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(limit_s, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield process.stdin, process.stdout
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                _close(stream)

    def _line(self, arguments: Sequence[str], settings: Mapping[str, str]) -> list[str]:
        import shutil

        git = shutil.which("git", path=os.defpath) or shutil.which("git")
        if git is None:
            raise GitFailed("git is not installed")
        allowed = {f"protocol.{self._transport}.allow": "always"}
        options = [part for k, v in {**_SETTINGS, **allowed, **settings}.items() for part in ("-c", f"{k}={v}")]
        environment = [f"{name}={value}" for name, value in self._environment(git).items()]
        limited = ["/bin/sh", "-c", _LIMITED, str(MAX_FILE_BYTES // 512)]
        where = f"--git-dir={self._directory}"
        return ["/usr/bin/env", "-i", *environment, *limited, git, "--no-pager", where, *options, *arguments]

    def _environment(self, git: str) -> dict[str, str]:
        return {
            "PATH": f"{os.path.dirname(git)}:{os.defpath}",
            "HOME": str(self._directory / "nobody"),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": self._transport,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "SSH_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": self._ssh() if self._ssh is not None else SSH,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            **self._passed_on,
        }


def _runner(directory: Path) -> "Git":
    """Import GitPython when it is needed: importing it looks for git, and fails where there is none."""
    try:
        from git.cmd import Git
    except ImportError:
        raise GitFailed("git is not installed") from None
    return Git(str(directory))


def _said(status: int, err: object, limit_s: float) -> str:
    text = err.decode("utf-8", "replace") if isinstance(err, bytes) else str(err)
    if text.startswith("Timeout: the command"):
        return f"git took longer than {limit_s:g} seconds"
    if "signal 25" in text or status in (-25, 153):
        return f"it is larger than {MAX_FILE_BYTES // 2**20} MiB"
    lines = [line for line in text.splitlines() if line.startswith(_TELLING) or any(sign in line for sign in _OF_SSH)]
    if lines == [_SILENT_DEATH]:
        return f"it is larger than {MAX_FILE_BYTES // 2**20} MiB, or memory ran out"
    shown = "; ".join(lines or text.splitlines()[-1:]) or f"git ended with status {status}"
    return "".join(c if c.isprintable() else " " for c in shown)[:MAX_OUTPUT_CHARACTERS]


def _close(stream: IO[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):  # it was killed before it read its input
        stream.close()

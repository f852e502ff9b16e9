"""A URL and its digest → the bytes on the disk: in pieces, resumed where a server lets it, each digest once at a time.

The part that came so far lies in the state directory's `incoming`, named by the digest, so that another attempt, by
another process, goes on with it. It is believed once the whole has its digest.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from orchestrator.fetch.http import Http, check_status
from orchestrator.fetch.limits import SPARE_BYTES, FetchFailed
from orchestrator.store.files import have_private_folder

OLD_S = 86_400.0  # after which a part that nobody goes on with is removed
T = TypeVar("T")
Heard = Callable[[str, int, int | None], None]  # what is fetched, how much of it, of how much


class Download(NamedTuple):
    """A file to be downloaded: `what` names it for people, `authorization` goes to the URL's own host."""

    url: str
    sha256: str
    max_bytes: int
    what: str
    authorization: str = ""


class Downloads:
    """Downloads into `folder`; `heard` is told how far each is."""

    def __init__(self, http: Http, folder: Path, heard: Heard) -> None:
        self._http, self._folder, self._heard = http, folder, heard

    def fetch(self, wanted: Download, take: Callable[[Path], T], held: Callable[[], T | None] = lambda: None) -> T:
        """Fetch a file and return what `take` makes of it, after which it is removed.

        Nothing is fetched where it is `held` here already, which is asked once nobody else is fetching it.

        Raises:
            FetchFailed: it cannot be fetched, or is another file than the digest says.
        """
        path = self._folder / wanted.sha256
        with self._alone(path):
            found = held()
            if found is not None:
                return found
            part = path.with_suffix(".part")
            self._complete(wanted, part)
            self._check(wanted, part)
            try:
                return take(part)
            finally:
                part.unlink()

    def clean(self, now_s: float) -> None:
        """Remove parts that nobody goes on with."""
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            try:
                if path.stat().st_mtime < now_s - OLD_S:
                    path.unlink()
            except FileNotFoundError:  # it was completed meanwhile
                continue

    def _complete(self, wanted: Download, part: Path) -> None:
        what, max_bytes = wanted.what, wanted.max_bytes
        has = part.stat().st_size if part.exists() else 0
        headers = {"Range": f"bytes={has}-"} if has else {}
        with self._http.send("GET", wanted.url, headers, authorization=wanted.authorization) as answer:
            if answer.status == 416:  # what is there is not of this file
                part.unlink()
                raise FetchFailed(f"{what} has changed while it was fetched", is_passing=True)
            check_status(answer, what)
            if answer.status == 200:
                has = 0
            length = None if answer.length is None else answer.length + has
            have_room(self._folder, (length or max_bytes) - has)
            with part.open("ab" if has else "wb") as file:
                for chunk in answer.chunks(max_bytes - has):
                    file.write(chunk)
                    has += len(chunk)
                    self._heard(what, has, length)

    def _check(self, wanted: Download, part: Path) -> None:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted.sha256:
            part.unlink()
            detail = f"its digest is {found}, and {wanted.sha256} was named"
            raise FetchFailed(
                f"{wanted.url} is another file than the one that was named", detail, "Ask who changed it."
            )

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Fetch each digest once at a time, among threads and processes."""
        have_private_folder(self._folder)
        with path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def have_room(folder: Path, more_bytes: int) -> None:
    """Check that a disk has room for so many bytes, twice: as they come, and as they are kept.

    Raises:
        FetchFailed: it has not.
    """
    about = os.statvfs(folder)
    free = about.f_bavail * about.f_frsize
    if free < 2 * more_bytes + SPARE_BYTES:
        detail = f"{free >> 20} MiB are free, {(2 * more_bytes + SPARE_BYTES) >> 20} MiB are needed"
        hint = "Make room; `airs component gc` removes components that nothing needs."
        raise FetchFailed(f"the disk of {folder} has no room for it", detail, hint)


def with_attempts(
    attempt: Callable[[], T], attempts: int, first_delay_s: float, jitter: Callable[[], float],
    sleep: Callable[[float], None] = time.sleep,
) -> T:  # fmt: skip
    """Attempt something until it succeeds: waiting twice as long each time, give or take a half."""
    for number in range(attempts):
        try:
            return attempt()
        except FetchFailed as failed:
            if not failed.is_passing or number == attempts - 1:
                raise
        sleep(first_delay_s * 2**number * (0.5 + jitter()))
    raise AssertionError("at least one attempt is made")

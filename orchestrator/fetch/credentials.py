"""The files in which an operator keeps credentials → the header for one host, and for no other.

Registries' are in the format of docker's `config.json`, those of URLs in a `.netrc`. Git's lie in a file of
`git credential-store`, which git itself reads. Nothing here is ever printed, kept or put into a value that is.
"""

import base64
import binascii
import netrc
from pathlib import Path

from orchestrator.fetch.foreign import foreign_json
from orchestrator.fetch.limits import FetchFailed, FetchSettings
from orchestrator.store.files import NotPrivate, read_private

HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/")


class Login:
    """A user's name and password, which no repr shows."""

    __slots__ = ("_password", "_user")

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def __repr__(self) -> str:
        return "Login(…)"

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode("ascii")


def registry_login(settings: FetchSettings, host: str) -> Login | None:
    """Return the login for a registry (HOST or HOST:PORT); None where the operator named no file, or it has none.

    Raises:
        FetchFailed: the file that is named cannot be used.
    """
    file = settings.of(host).credentials
    if not file:
        return None
    try:
        return docker_login(_private(file), host)
    except ValueError as error:
        hint = "Write the format of docker's config.json, with `auths`."
        raise FetchFailed(f"{file} holds no credentials for {host}", str(error), hint) from None


def docker_login(data: bytes, host: str) -> Login | None:
    """Read docker's `config.json` for the login of one host.

    Raises:
        ValueError: it is not in that format; the text never holds any of it.
    """
    document = foreign_json(data)
    if not isinstance(document, dict) or not isinstance(document.get("auths", {}), dict):
        raise ValueError("it is no mapping with `auths`")
    names = (*HUB,) if host in HUB else (host, f"https://{host}", f"https://{host}/", f"https://{host}/v2/")
    entry = next((found for name in names if (found := document.get("auths", {}).get(name)) is not None), None)
    if entry is None or entry == {}:
        if document.get("credsStore") or host in (document.get("credHelpers") or {}):
            raise ValueError("it names a credential helper, a program, which airs does not start")
        return None
    return _login_in(entry)


def _login_in(entry: object) -> Login:
    if not isinstance(entry, dict):
        raise ValueError("an entry of `auths` is no mapping")
    user, password, packed = entry.get("username"), entry.get("password"), entry.get("auth")
    if isinstance(user, str) and isinstance(password, str):
        return Login(user, password)
    if not isinstance(packed, str):
        raise ValueError("an entry of `auths` has no `auth`")
    try:
        name, colon, secret = base64.b64decode(packed, validate=True).decode().rstrip("\0").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("an `auth` is no base64 of USER:PASSWORD") from None
    if not colon:
        raise ValueError("an `auth` is no base64 of USER:PASSWORD")
    return Login(name, secret)


def url_login(settings: FetchSettings, host: str) -> Login | None:
    """Return the login for the host of a URL, of the `.netrc` that the operator named; its `default` never counts.

    Raises:
        FetchFailed: the file that is named cannot be used.
    """
    if not settings.netrc:
        return None
    _private(settings.netrc)
    try:
        found = netrc.netrc(settings.netrc).hosts.get(host)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
        raise FetchFailed(
            f"{settings.netrc} is no .netrc", suggestion="Write `machine HOST login USER password …`."
        ) from None
    return None if found is None else Login(found[0], found[2] or "")


def check_private(file: str) -> None:
    """Check that a file of credentials is nobody else's to read.

    Raises:
        FetchFailed: it is, or is not there.
    """
    _private(file)


def _private(file: str) -> bytes:
    try:
        return read_private(Path(file).expanduser())
    except FileNotFoundError:
        raise FetchFailed(f"{file} does not exist", "the agent's configuration names it for credentials") from None
    except NotPrivate as refused:
        raise FetchFailed(f"{file} is not used for credentials", str(refused)) from None

"""Speaks with one repository of an OCI registry: manifests and blobs, both ways, with a token where it wants one.

A login goes to the registry that the operator gave it for, and to the host that hands out its tokens: the registry's
own, one of its domain, or the one that the operator named. `pull.py` and `push.py` call it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, urlencode, urljoin

from orchestrator.fetch.credentials import Login, registry_login
from orchestrator.fetch.foreign import ForeignJsonBroken, foreign_json
from orchestrator.fetch.http import Http, HttpAnswer, check_status, target_of
from orchestrator.fetch.limits import DOCUMENT_MAX_BYTES, FetchFailed, FetchSettings
from orchestrator.fetch.oci.manifest import ACCEPTED
from orchestrator.model.component_source import OciComponent

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
_TOKEN_HOSTS = {"registry-1.docker.io": "auth.docker.io", "registry.gitlab.com": "gitlab.com"}
_TOKEN_MAX_BYTES = 256 << 10


class Registry:
    """One repository of a registry, for one component; it keeps the token that it was given."""

    def __init__(self, http: Http, settings: FetchSettings, remote: OciComponent) -> None:
        self._http, self._settings, self.remote = http, settings, remote
        named = remote.host
        self._host = _HUB.get(named, named)
        target = target_of(f"https://{self._host}/")
        bare, port = target.host, target.port if ":" in self._host.rpartition("]")[2] else None
        self._is_plain = http.is_plain(bare, port)
        self._base = f"{'http' if self._is_plain else 'https'}://{self._host}/v2/{remote.name}"
        self._login: Login | None = registry_login(settings, named)
        self._authorization = ""

    def manifest(self, version: str) -> tuple[bytes, str]:
        """Return a manifest or an index, by tag or digest, and its digest.

        Raises:
            FetchFailed: there is none, or it is another than its digest says.
        """
        headers = {"Accept": ", ".join(ACCEPTED)}
        with self.asked("GET", f"/manifests/{version}", headers) as answer:
            check_status(answer, f"{self.remote.name}:{version}" if ":" not in version else self.remote.reference)
            data = answer.body(DOCUMENT_MAX_BYTES)
        found = digest_of(data)
        if version.startswith("sha256:") and version != found:
            raise FetchFailed(f"{self._host} served another manifest than {version}", f"its digest is {found}")
        return data, found

    def digest(self, version: str) -> str:
        """Return the digest of the manifest that a tag stands for; a registry that does not tell is asked for it all.

        Raises:
            FetchFailed: there is none.
        """
        with self.asked("HEAD", f"/manifests/{version}", {"Accept": ", ".join(ACCEPTED)}) as answer:
            told = answer.header("Docker-Content-Digest")
            if answer.status in (200, 206) and re.fullmatch(r"sha256:[0-9a-f]{64}", told):
                return told
        return self.manifest(version)[1]

    def blob_url(self, digest: str) -> str:
        """Return the address of a blob."""
        return f"{self._base}/blobs/{digest}"

    @property
    def authorization(self) -> str:
        """The header by which the registry lets us in, once it was asked for anything."""
        return self._authorization

    @contextmanager
    def asked(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None, actions: str = "pull"
    ) -> Iterator[HttpAnswer]:
        """Send a request, getting a token first where the registry wants one; `path` may be an absolute address."""
        url = path if "://" in path else self._base + path
        with self._http.send(method, url, headers, authorization=self._authorization, body=body) as answer:
            if answer.status != 401 or not answer.target.is_same_host(target_of(self._base)):
                yield answer
                return
            challenge = answer.header("WWW-Authenticate")
        self._authorization = self._authorized(challenge, actions)
        with self._http.send(method, url, headers, authorization=self._authorization, body=body) as answer:
            yield answer

    def joined(self, location: str) -> str:
        """Return the address that the registry names for an upload.

        Raises:
            FetchFailed: it is another host's, which our credentials would go to.
        """
        url = urljoin(f"{self._base}/", location)
        if not self._is_own(url):
            raise FetchFailed(f"{self._host} wants the component sent to another host", "that is not done")
        return url

    def _is_own(self, url: str) -> bool:
        return target_of(url).is_same_host(target_of(self._base))

    def _authorized(self, challenge: str, actions: str) -> str:
        """HttpAnswer a challenge: with the login itself, or with a token that it, or nobody, is given."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            if self._login is None:
                raise self._no_login()
            return self._login.basic
        asked = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in asked:
            raise FetchFailed(f"{self._host} wants credentials of a kind that airs does not have", scheme[:40])
        return f"Bearer {self._token(asked, actions)}"

    def _token(self, asked: Mapping[str, str], actions: str) -> str:
        realm = target_of(asked["realm"])
        if realm.scheme == "http" and not self._is_plain:
            raise FetchFailed(f"{self._host} sends for a token by http://", "anybody on the way could read it")
        login = self._login.basic if self._login is not None else ""
        if login and not self._may_hand_out(realm.host):
            hint = (
                f'If that is right, write token-host = "{realm.host}" for the registry in the agent\'s configuration.'
            )
            detail = "the login of a registry goes to no host that does not belong to it"
            raise FetchFailed(f"{self._host} sends for a token to {realm.host}", detail, hint)
        query = {"service": asked.get("service", ""), "scope": f"repository:{self.remote.name}:{actions}"}
        url = f"{asked['realm']}{'&' if '?' in asked['realm'] else '?'}{urlencode(query, quote_via=quote)}"
        is_named = realm.host == self._settings.of(self.remote.host).token_host
        led_by = "" if is_named else self._base  # which may not lead us into a network that it is outside of
        with self._http.send("GET", url, {}, authorization=login, led_by=led_by) as answer:
            check_status(answer, f"a token for {self.remote.name}")
            data = answer.body(_TOKEN_MAX_BYTES)
        return _token_in(data, realm.host)

    def _may_hand_out(self, host: str) -> bool:
        own = target_of(self._base).host
        named = self._settings.of(self.remote.host).token_host
        return host in (own, named, _TOKEN_HOSTS.get(own, own)) or (
            own.count(".") > 1 and host == own.partition(".")[2]
        )

    def _no_login(self) -> FetchFailed:
        hint = f'Name a file for it in the agent\'s configuration: [registries."{self.remote.host}"] credentials = "…".'
        return FetchFailed(f"{self._host} wants credentials", "none are named for it, or that file has none", hint)


def _token_in(data: bytes, host: str) -> str:
    try:
        document = foreign_json(data)
    except ForeignJsonBroken:
        document = None
    found = document.get("token") or document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(found, str) or not re.fullmatch(r"[!-~]{1,65536}", found):
        raise FetchFailed(f"{host} gave no token", "its answer holds none")
    return found


def digest_of(data: bytes) -> str:
    """Return `sha256:<hex>` of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"

"""What is fetched over HTTP is no larger, slower or elsewhere than allowed, and a login goes to its host alone."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.fetch.credentials import docker_login, url_login
from orchestrator.fetch.download import Download, Downloads, have_room, with_attempts
from orchestrator.fetch.http import Http, target_of
from orchestrator.fetch.limits import FetchFailed, FetchSettings, HostSettings
from orchestrator.fetch.url import fetch_url
from orchestrator.model.component_source import UrlComponent

from .web import Web, archive, endless, redirects, serves, sha256, silent, truncates, without_end
from .web import web as served

DATA = bytes(range(256)) * 1_000
SETTINGS = FetchSettings(max_bytes=1 << 20, timeout_s=10, stall_s=0.2)


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as made:
        yield made


def fetch(web: Web, folder: Path, path: str = "/file", data: bytes = DATA, settings: FetchSettings = SETTINGS) -> bytes:
    downloads = Downloads(Http(settings), folder / "incoming", lambda *_: None)
    wanted = Download(f"{web.url}{path}", sha256(data), settings.max_bytes, "file")
    return downloads.fetch(wanted, Path.read_bytes)


def refused(web: Web, folder: Path, path: str = "/file", **how: FetchSettings) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        fetch(web, folder, path, **how)
    return failed.value


def test_a_file_comes_whole_and_leaves_nothing_behind(web, tmp_path):
    web.routes["/file"] = serves(DATA)
    assert fetch(web, tmp_path) == DATA
    assert [path.suffix for path in (tmp_path / "incoming").iterdir()] == [".lock"]


def test_a_download_that_broke_off_goes_on_where_it_ended(web, tmp_path):
    web.routes["/file"] = truncates(DATA, 100_000)
    assert refused(web, tmp_path).is_passing
    assert fetch(web, tmp_path) == DATA
    assert [headers.get("Range") for _, _, headers in web.asked] == [None, "bytes=100000-"]


def test_a_part_of_another_file_is_not_gone_on_with_for_ever(web, tmp_path):
    web.routes["/file"] = truncates(DATA, 100_000)
    refused(web, tmp_path)
    part = next((tmp_path / "incoming").glob("*.part"))
    part.write_bytes(b"x" * 1_000)
    assert "another file" in refused(web, tmp_path).summary
    web.routes["/file"] = serves(DATA)
    assert fetch(web, tmp_path) == DATA


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (endless, "sends too much"),
        (silent, "it stopped sending"),
        (serves(b"", 404), "has no file"),
        (serves(b"", 503), "did not give file: status 503"),
        (serves(b"other"), "is another file than the one that was named"),
        (redirects("/file"), "redirects in circles"),
        (redirects("file:///etc/passwd"), "file:// is not fetched"),
        (redirects("http://169.254.169.254/latest"), "is not fetched from by http://"),
        (redirects("https://169.254.169.254/latest"), "is not fetched from: it leads to 169.254.169.254"),
        (redirects("http://user:word@127.0.0.1/"), "has credentials in it"),
        (redirects("http://[::1"), "redirects to nowhere"),
    ],
)
def test_a_hostile_server_is_told_of_and_nothing_else(web, tmp_path, route, said):
    web.routes["/file"] = route
    assert said in refused(web, tmp_path).sentence


def test_one_that_sends_a_byte_now_and_then_is_given_up_at_the_deadline(web, tmp_path):
    web.routes["/file"] = endless
    settings = FetchSettings(max_bytes=1 << 20, timeout_s=-1, stall_s=5)
    failed = refused(web, tmp_path, settings=settings)
    assert "is too slow" in failed.summary
    assert failed.is_passing


OK_IN_PIECES = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more", "said"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "sends too much"),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", "cannot be fetched from"),
        (OK_IN_PIECES + b"1\r\na\r\n0\r\n", b"a: b\r\n", "sends too much"),
        (b"", b"", "is too slow"),
        (b"HTTP/1.1 200 OK\r\nA", b"", "is too slow"),
        (OK_IN_PIECES + b"1", b"", "is too slow"),
        (OK_IN_PIECES + b"1\r\na\r\n0\r\n", b"", "is too slow"),
    ],
)
def test_no_part_of_an_answer_is_waited_for_longer_or_read_further_than_the_whole(web, tmp_path, begin, more, said):
    web.routes["/file"] = without_end(begin, more)
    settings = FetchSettings(max_bytes=1 << 20, timeout_s=10 if more else 0.2, stall_s=10)
    assert said in refused(web, tmp_path, settings=settings).sentence


def test_no_answer_from_outside_leads_into_this_network(web, tmp_path):
    """A host that is reached through a proxy lies outside."""
    hosts = {"outside.example": HostSettings(plain_http=True)}
    http = Http(FetchSettings(proxy=web.url, hosts=hosts))
    web.routes["http://outside.example/"] = redirects(f"{web.url}/inside")
    web.routes["/inside"] = serves(b"")
    asked = http.send("GET", "http://outside.example/", {})
    with pytest.raises(FetchFailed, match="a host outside leads into this network"), asked:
        pass
    led = http.send("GET", f"{web.url}/inside", {}, led_by="http://outside.example/")
    with pytest.raises(FetchFailed, match="a host outside leads into this network"), led:
        pass
    with http.send("GET", f"{web.url}/inside", {}, led_by=web.url) as answer:
        assert answer.status == 200
    assert [path for _, path, _ in web.asked] == ["http://outside.example/", "/inside"]


@pytest.mark.parametrize("address", ["10.0.0.1", "100.64.0.1", "fd00::1", "198.18.0.1", "::ffff:192.168.0.1"])
def test_a_network_that_is_not_the_internet_is_not_led_into(monkeypatch, address):
    found = {"x.example": address, "outside.example": "1.1.1.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: [(2, 1, 6, "", (found[host], 443))])
    led = Http(SETTINGS).send("GET", "https://x.example/", {}, led_by="https://outside.example/")
    with pytest.raises(FetchFailed, match="a host outside leads into this network"), led:
        pass


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org/x", "https:///x", "https://a b/x"])
def test_a_url_that_is_not_fetched_is_refused_before_anything_is_sent(url):
    with pytest.raises(FetchFailed), Http(SETTINGS).send("GET", url, {}):
        pass


def test_a_host_that_leads_into_this_machine_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", 443))])
    asked = Http(SETTINGS).send("GET", "https://evil.example/", {})
    with pytest.raises(FetchFailed, match="is not fetched from"), asked:
        pass


def test_a_login_goes_to_its_host_and_not_along_a_redirect(web, tmp_path):
    with served() as other:
        other.routes["/there"] = serves(DATA)
        web.routes["/here"] = redirects(f"{other.url}/there")
        downloads = Downloads(Http(SETTINGS), tmp_path / "incoming", lambda *_: None)
        wanted = Download(f"{web.url}/here", sha256(DATA), 1 << 20, "file", authorization="Basic c2VjcmV0")
        assert downloads.fetch(wanted, Path.read_bytes) == DATA
        assert web.asked[0][2]["Authorization"] == "Basic c2VjcmV0"
        assert "Authorization" not in other.asked[0][2]


def test_the_netrc_that_the_operator_named_is_used_for_its_host_alone(web, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret-word\nmachine other login x password y\n")
    netrc.chmod(0o600)
    settings = FetchSettings(netrc=str(netrc), max_bytes=1 << 20)
    packed = archive({"Component.toml": b'[artifact]\npath = "a.wasm"', "a.wasm": b"\0asm"})
    web.routes["/c.tgz"] = serves(packed)
    downloads = Downloads(Http(settings), tmp_path / "incoming", lambda *_: None)
    assert (
        fetch_url(UrlComponent(url=f"{web.url}/c.tgz", sha256=sha256(packed)), downloads, settings).artifact == b"\0asm"
    )
    assert web.asked[0][2]["Authorization"].startswith("Basic ")
    assert url_login(settings, "elsewhere.example") is None
    assert "secret-word" not in repr(url_login(settings, "127.0.0.1"))
    netrc.chmod(0o644)
    with pytest.raises(FetchFailed, match="is not used for credentials"):
        url_login(settings, "127.0.0.1")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"{", "it is not JSON"),
        (b"[]", "no mapping"),
        (b'{"auths": []}', "no mapping"),
        (b'{"auths": {"h": 1}}', "no mapping"),
        (b'{"auths": {"h": {"auth": "%%%"}}}', "no base64"),
        (b'{"auths": {"h": {"auth": "YWRh"}}}', "no base64 of USER:PASSWORD"),
        (b'{"auths": {"h": {"identitytoken": "t"}}}', "has no `auth`"),
        (b'{"credsStore": "desktop"}', "a program, which airs does not start"),
        (b'{"auths": {"h": {}}, "credHelpers": {"h": "x"}}', "a program, which airs does not start"),
    ],
)
def test_a_file_of_logins_that_cannot_be_used_is_told_of_without_its_content(document, said):
    with pytest.raises(ValueError, match=said) as failed:
        docker_login(document, "h")
    assert "YWRh" not in str(failed.value)


def test_a_login_is_that_of_the_host():
    document = (
        b'{"auths": {"a.example": {"auth": "YWRhOnNlY3JldA=="}, "https://index.docker.io/v1/": {"auth": "Yjpj"}}}'
    )
    assert docker_login(document, "a.example").basic == "Basic YWRhOnNlY3JldA=="
    assert docker_login(document, "docker.io").basic == "Basic Yjpj"
    assert docker_login(document, "b.example") is None


def test_settings_of_a_host_hold_with_its_port_or_for_all_ports():
    settings = FetchSettings(hosts={"a": HostSettings(ca="1"), "a:5": HostSettings(ca="2")})
    found = [settings.of(*host).ca for host in (("a",), ("a", 5), ("a", 6), ("b",))]
    assert found == ["1", "2", "1", ""]


def test_a_passing_failure_is_attempted_again_after_twice_the_time_and_a_lasting_one_is_not():
    waits: list[float] = []
    failures = [FetchFailed("a", is_passing=True)] * 3

    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert with_attempts(attempt, 4, 1.0, lambda: 0.5, waits.append) == "done"
    assert waits == [1.0, 2.0, 4.0]
    failures.append(FetchFailed("b"))
    with pytest.raises(FetchFailed):
        with_attempts(attempt, 4, 1.0, lambda: 0.5, waits.append)
    assert len(waits) == 3


def test_a_disk_is_full_before_it_is(tmp_path):
    have_room(tmp_path, 1)
    with pytest.raises(FetchFailed, match="has no room"):
        have_room(tmp_path, 1 << 60)


def test_a_url_is_read_as_it_is_sent():
    target = target_of("https://Example.org:8443/a/b?c=d")
    assert (target.host, target.port, target.path) == ("example.org", 8443, "/a/b?c=d")
    assert target.authority == "example.org:8443"

"""TLS by a private authority, and the way through a proxy: only where the operator's settings say so."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.fetch.http import Http, check_status
from orchestrator.fetch.limits import FetchFailed, FetchSettings, HostSettings

from .web import Web, redirects, server_side, serves
from .web import certificate as make_certificate
from .web import web as served

NAME = "private.test"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("ca"), NAME)


@pytest.fixture
def web(certificate: tuple[Path, Path]) -> Iterator[Web]:
    with served() as made:
        made.encrypt(server_side(certificate))
        made.routes["/x"] = serves(b"hello")
        yield made


def fetched(settings: FetchSettings, url: str) -> bytes:
    with Http(settings).send("GET", url, {}) as answer:
        check_status(answer, "x")
        return answer.body(1_000)


def test_an_authority_is_trusted_for_the_hosts_that_the_settings_name_it_for(web, certificate):
    host = f"127.0.0.1:{web.port}"
    with pytest.raises(FetchFailed, match="is not trusted"):
        fetched(FetchSettings(), f"https://{host}/x")
    named = FetchSettings(hosts={host: HostSettings(ca=str(certificate[1]))})
    assert fetched(named, f"https://{host}/x") == b"hello"
    elsewhere = FetchSettings(hosts={"other.test": HostSettings(ca=str(certificate[1]))})
    with pytest.raises(FetchFailed, match="is not trusted"):
        fetched(elsewhere, f"https://{host}/x")
    with pytest.raises(FetchFailed, match="no file of certificates"):
        fetched(FetchSettings(hosts={host: HostSettings(ca="/nowhere.pem")}), f"https://{host}/x")


def test_a_redirect_leads_from_tls_to_nothing_without(web, certificate):
    with served() as plain:
        plain.routes["/x"] = serves(b"anybody's")
        web.routes["/x"] = redirects(f"{plain.url}/x")
        host = f"127.0.0.1:{web.port}"
        with pytest.raises(FetchFailed, match="redirects to http://"):
            fetched(FetchSettings(hosts={host: HostSettings(ca=str(certificate[1]))}), f"https://{host}/x")
        assert plain.asked == []


def test_a_proxy_is_asked_for_the_way_and_sees_nothing_else(web, certificate):
    """The host has no address here: only the proxy knows where it is."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=proxy, args=(listener, web.port, seen), daemon=True)
        thread.start()
        settings = FetchSettings(
            proxy=f"http://127.0.0.1:{listener.getsockname()[1]}", hosts={NAME: HostSettings(ca=str(certificate[1]))}
        )
        assert fetched(settings, f"https://{NAME}/x") == b"hello"
        thread.join()
    assert seen[0].startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\n".encode())
    assert b"hello" not in b"".join(seen)


def proxy(listener: socket.socket, port: int, seen: list[bytes]) -> None:
    """Lead one connection to a port of this machine, whatever host is asked for."""
    with listener.accept()[0] as client, socket.create_connection(("127.0.0.1", port)) as server:
        seen.append(client.recv(65_536))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=pump, args=(server, client, seen), daemon=True)
        back.start()
        pump(client, server, seen)
        back.join()


def pump(source: socket.socket, target: socket.socket, seen: list[bytes]) -> None:
    try:
        while data := source.recv(65_536):
            seen.append(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return

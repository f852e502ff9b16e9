"""A web server on loopback that serves what a test says, as badly as the test says."""

import hashlib
import io
import shutil
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

Route = Callable[[BaseHTTPRequestHandler], None]
COMPONENTS = Path(__file__).parents[2] / "examples"


class Web:
    """The server: `routes` by path, and the requests that came, in order, as (method, path, headers)."""

    def __init__(self) -> None:
        self._scheme = "http"
        self.routes: dict[str, Route] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                web.asked.append((self.command, self.path, dict(self.headers)))
                web.routes.get(self.path, not_found)(self)
                self.close_connection = True

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = answer

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._scheme = "https"
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # of clients that hang up

    def close(self) -> None:
        """Stop serving; once more is nothing."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def web() -> Iterator[Web]:
    made = Web()
    try:
        yield made
    finally:
        made.close()


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Make a key and a certificate of its own authority, for a name and this machine's address."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, which makes the certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


def server_side(made: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made[1], made[0])
    return context


def not_found(to: BaseHTTPRequestHandler) -> None:
    to.send_response(404)
    to.send_header("Content-Length", "0")
    to.end_headers()


def serves(data: bytes, status: int = 200, **headers: str) -> Route:
    """Serve bytes; with ranges, as good servers do."""

    def route(to: BaseHTTPRequestHandler) -> None:
        begin = int(to.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        to.send_response(206 if begin else status)
        to.send_header("Content-Length", str(len(data) - begin))
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        if to.command != "HEAD":
            to.wfile.write(data[begin:])

    return route


def truncates(data: bytes, after: int) -> Route:
    """Promise everything, and send a part; the rest when it is asked for by its range."""

    def route(to: BaseHTTPRequestHandler) -> None:
        if to.headers.get("Range"):
            return serves(data)(to)
        to.send_response(200)
        to.send_header("Content-Length", str(len(data)))
        to.end_headers()
        to.wfile.write(data[:after])
        return None

    return route


def redirects(to_url: str, status: int = 302) -> Route:
    return lambda to: serves(b"", status, Location=to_url)(to)


def endless(to: BaseHTTPRequestHandler) -> None:
    """Send zeros until the other side hangs up."""
    to.send_response(200)
    to.end_headers()
    try:
        while True:
            to.wfile.write(b"\0" * 65_536)
    except OSError:
        return


def silent(to: BaseHTTPRequestHandler) -> None:
    """Promise something, and send nothing of it until the other side hangs up."""
    to.send_response(200)
    to.send_header("Content-Length", "10")
    to.end_headers()
    to.wfile.flush()
    to.rfile.read(1)


def without_end(begin: bytes, more: bytes) -> Route:
    """Send some bytes in place of an answer, and then others until the other side hangs up."""

    def route(to: BaseHTTPRequestHandler) -> None:
        try:
            to.wfile.write(begin)
            while more:
                to.wfile.write(more * 1_000)
            to.wfile.flush()
            to.rfile.read(1)
        except OSError:
            return

    return route


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def component(name: str) -> dict[str, bytes]:
    """Return the files of an example's component by their names."""
    folder = next(COMPONENTS.glob(f"0*/components/{name}"))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def archive(files: dict[str, bytes], **options: Any) -> bytes:
    """Pack files into a .tar.gz, as packers do."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", **options) as tar:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return packed.getvalue()

"""Repositories that want a login: by https with an authority of their own, and by ssh; all of it from `airs.toml`."""

import base64
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, Airs, git, wait_until
from tests.fetch.repository import repository
from tests.fetch.web import certificate, server_side

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.defpath)


def example() -> dict[str, bytes]:
    folder = EXAMPLES / "01-hello"
    files = [path for path in folder.rglob("*") if path.is_file() and "src" not in path.parts]
    return {f"hello/{path.relative_to(folder)}": path.read_bytes() for path in files}


def configure(airs: Airs, host: str, **files: Path) -> None:
    airs.state_dir.mkdir(mode=0o700, exist_ok=True)
    lines = [f'{name.replace("_", "-")} = "{path}"' for name, path in files.items()]
    (airs.state_dir / "airs.toml").write_text("\n".join((f'[git."{host}"]', *lines, "")))


def refused(airs: Airs, place: str) -> str:
    told = airs.quick("plan", place, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    return told.stderr


def test_a_source_by_https_has_the_authority_and_the_login_of_its_host_and_stays_while_they_are_gone(airs: Airs):
    made, logins = certificate(airs.folder), airs.folder / "logins"
    with repository(airs.folder / "repo") as repo:
        repo.web.encrypt(server_side(made))
        repo.login = "Basic " + base64.b64encode(b"ada:secret-word").decode()
        repo.commit(example())
        host, place = f"127.0.0.1:{repo.web.port}", f"{repo.url}#main:hello/manifests"
        logins.write_text(f"https://ada:secret-word@{host}\nhttps://eve:other@evil.example\n")
        logins.chmod(0o600)
        assert "certificate" in refused(airs, place)
        configure(airs, host, ca=made[1])
        assert "could not read Username" in refused(airs, place)
        configure(airs, host, ca=airs.folder / "gone.pem", credentials=logins)
        assert "gone.pem, which airs.toml names for this host, is no file" in refused(airs, place)
        configure(airs, host, ca=made[1], credentials=logins)
        assert "+ default/hello" in airs.quick("plan", place).stdout
        airs.run("source", "add", place, "--name", "shop", "--interval", "1h")
        assert airs.version() == "1.0.0"
        logins.chmod(0o644)
        told = airs.quick("reconcile", "shop", check=False)
        assert (told.returncode, "must be yours and have mode 0600" in told.stderr) == (1, True)
        assert airs.phase() == "running"
        logins.chmod(0o600)
        airs.quick("reconcile", "shop")
        said = b"".join(path.read_bytes() for path in airs.state_dir.rglob("*") if path.is_file())
        assert b"secret-word" not in said


class SshServer:
    """An sshd on loopback that lets one key in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ssh"
        self.folder.mkdir()
        for name in ("host", "key", "other"):
            asked = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(asked, check=True, stdin=subprocess.DEVNULL)
        shutil.copy(self.folder / "key.pub", self.folder / "authorized")
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.known = self.folder / "known hosts"
        self.know("host")
        self.process: subprocess.Popen[bytes] | None = None

    def know(self, name: str) -> None:
        """Let clients believe one key of the host."""
        self.known.write_text(f"[127.0.0.1]:{self.port} {(self.folder / f'{name}.pub').read_text()}")

    def start(self) -> None:
        options = {
            "Port": self.port, "ListenAddress": "127.0.0.1", "HostKey": self.folder / "host", "UsePAM": "no",
            "AuthorizedKeysFile": self.folder / "authorized", "StrictModes": "no", "PidFile": "none",
            "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
        }  # fmt: skip
        assert SSHD is not None
        config = self.folder / "config"
        config.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        with (self.folder / "log").open("wb") as log:
            started = [SSHD, "-D", "-e", "-f", str(config)]
            self.process = subprocess.Popen(started, stdin=subprocess.DEVNULL, stderr=log)
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.skip(f"sshd does not run here: {(self.folder / 'log').read_text()[-300:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@pytest.fixture
def server(airs: Airs) -> Iterator[SshServer]:
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("there is no sshd or no ssh")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    made = SshServer(airs.folder)
    made.start()
    yield made
    if made.process is not None:
        made.process.terminate()
        made.process.wait()


def test_a_source_by_ssh_has_the_key_and_the_known_hosts_of_its_host(airs: Airs, server: SshServer):
    bare, tree = airs.folder / "shop.git", airs.folder / "tree"
    git(airs.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(airs.folder, "init", "--quiet", "--initial-branch=main", str(tree))
    for name, data in example().items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "x")
    git(tree, "push", "--quiet", str(bare), "main")
    host = f"127.0.0.1:{server.port}"
    place = f"ssh://{getpass.getuser()}@{host}{bare}#main:hello/manifests"
    configure(airs, host, ssh_key=server.folder / "other", known_hosts=server.known)
    assert "Permission denied" in refused(airs, place)
    server.know("other")
    configure(airs, host, ssh_key=server.folder / "key", known_hosts=server.known)
    assert "Host key verification failed" in refused(airs, place)
    server.know("host")
    airs.run("source", "add", place, "--name", "shop", "--interval", "1h")
    assert airs.version() == "1.0.0"
    (server.folder / "key").chmod(0o644)
    told = airs.quick("reconcile", "shop", check=False)
    assert (told.returncode, "must be yours and have mode 0600" in told.stderr) == (1, True)


@pytest.mark.parametrize("allowed", ["true", "false"])
def test_of_a_large_repository_elsewhere_only_the_files_that_are_read_are_fetched(airs: Airs, allowed: str):
    with repository(airs.folder / "repo") as repo:
        repo.git("config", "uploadpack.allowFilter", allowed)
        repo.commit({"old.bin": os.urandom(1 << 20)})
        repo.git("rm", "--quiet", "old.bin")
        repo.commit(example() | {"large.bin": os.urandom(1 << 20)})
        place = f"{repo.url}#main:hello/manifests"
        airs.run("source", "add", place, "--name", "shop", "--interval", "1h")
        assert airs.version() == "1.0.0"
        size = sum(path.stat().st_size for path in (airs.state_dir / "git").rglob("*.pack"))
        assert (size < 1 << 20) == (allowed == "true")
        assert size < 2 << 20  # of history, nothing in either case
        fetched = sum(path.endswith("git-upload-pack") for _, path, _ in repo.web.asked)
        manifest = "hello/manifests/hello.yaml"
        repo.commit({manifest: example()[manifest].replace(b"1.0.0", b"1.1.0")})
        airs.quick("reconcile", "shop")
        assert airs.version() == "1.1.0"
        assert (
            sum(path.endswith("git-upload-pack") for _, path, _ in repo.web.asked) - fetched < 14
        )  # two for each round
        repo.web.close()
        assert airs.quick("reconcile", "shop", check=False).returncode == 1
        assert airs.phase() == "running"
        (mirror,) = (airs.state_dir / "git").glob("*-partial.git")
        assert (mirror / "HEAD").exists()  # an outage is no reason to make it anew

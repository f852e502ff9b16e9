"""A repository whose commits and tags are signed, or not, by keys made for the test with `ssh-keygen` and `gpg`."""

import os
import shutil
import subprocess
from pathlib import Path

HAS_SSH = shutil.which("ssh-keygen") is not None
HAS_GPG = shutil.which("gpg") is not None


class SignedRepository:
    """A work tree that is read as a repository, and the keys of those who commit to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder / "signed", folder / "keys"
        self.keys.mkdir(parents=True)
        self.folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.keys), "GIT_CONFIG_NOSYSTEM": "1",
            "GNUPGHOME": str(self.keys / "gpg"),
        }  # fmt: skip
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "gc.auto=0")
        done = subprocess.run(["git", *identity, *arguments], cwd=self.folder, env=env, capture_output=True, check=True)
        return done.stdout.decode(errors="replace").strip()

    def ssh_key(self, name: str) -> str:
        """Make a key, if there is none of that name, and return its public half."""
        path = self.keys / name
        if not path.exists():
            asked = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
            subprocess.run(asked, check=True, stdin=subprocess.DEVNULL)
        return path.with_name(f"{name}.pub").read_text().strip()

    def allow(self, *names: str, file: str = "allowed", options: str = "") -> Path:
        """Write an allowed-signers file."""
        path = self.keys / file
        path.write_text("".join(f"{name}@example.org {options}{self.ssh_key(name)}\n" for name in names))
        return path

    def gpg_key(self, name: str) -> Path:
        """Make an OpenPGP key and return the file of its public half."""
        home, file = self.keys / "gpg", self.keys / f"{name}.asc"
        home.mkdir(mode=0o700, exist_ok=True)
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        uid = f"{name} <{name}@example.org>"
        subprocess.run([*gpg, "--quick-gen-key", uid, "ed25519", "sign", "never"], check=True, capture_output=True)
        done = subprocess.run([*gpg, "--armor", "--export", uid], check=True, capture_output=True)
        file.write_bytes(done.stdout)
        return file

    def revoke_gpg_key(self, name: str) -> None:
        """Revoke an OpenPGP key, and write its public half with that."""
        home = self.keys / "gpg"
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
        listed = subprocess.run([*gpg, "--with-colons", "--list-keys", name], check=True, capture_output=True).stdout
        fingerprint = next(line.split(b":")[9] for line in listed.splitlines() if line.startswith(b"fpr")).decode()
        made = (home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        revocation = self.keys / f"{name}.rev"
        revocation.write_text(made.replace(":-----BEGIN", "-----BEGIN"))
        subprocess.run([*gpg, "--import", str(revocation)], check=True, capture_output=True)
        done = subprocess.run([*gpg, "--armor", "--export", name], check=True, capture_output=True)
        (self.keys / f"{name}.asc").write_bytes(done.stdout)

    def end_gpg_agent(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.keys / "gpg"), "--kill", "all"], check=False)

    def commit(self, signer: str = "", subject: str = "change") -> str:
        """Commit everything, signed by the SSH key `signer`, or by the OpenPGP key `gpg:NAME`."""
        self.git("add", "--all")
        self.git(*self._signing(signer), "commit", "--quiet", "--allow-empty", "--message", subject,
                 "--gpg-sign" if signer else "--no-gpg-sign")  # fmt: skip
        return self.git("rev-parse", "HEAD")

    def tag(self, name: str, signer: str = "") -> None:
        """Tag HEAD, with a signature or as an annotated tag without one."""
        kind = "--sign" if signer else "--annotate"
        self.git(*self._signing(signer), "tag", "--force", kind, "--message", name, name)

    def _signing(self, signer: str) -> tuple[str, ...]:
        if not signer:
            return ()
        if signer.startswith("gpg:"):
            return ("-c", "gpg.format=openpgp", "-c", f"user.signingKey={signer[4:]}@example.org")
        self.ssh_key(signer)
        return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={self.keys / signer}.pub")

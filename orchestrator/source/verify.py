"""Decides by whom a commit or tag was signed, with `ssh-keygen` and `gpg`; `accepting.py` asks for each that it reads.

The programs get an environment of ours, a folder of ours that is removed again, and nothing of the user's: no key ring,
no agent, no configuration, no network. A key counts as it stands now, not as of the date that a commit gives itself:
whoever holds a key that has run out could give any.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from orchestrator.model.verification import CommitSigner
from orchestrator.source.signatures import SignatureKind, SignedObject
from orchestrator.source.signers import Signers, dearmored

LIMIT_S = 30.0
SAID_MAX = 300  # characters of what a program said that are shown
PROGRAMS = {"ssh-keygen": "SSH", "gpg": "OpenPGP"}  # and the signatures that need them
PACKAGES = {"ssh-keygen": "openssh-client", "gpg": "gnupg"}

_NAMESPACE = "git"
_GPG = (
    "--homedir", "home", "--batch", "--no-tty", "--no-options", "--no-autostart", "--disable-dirmngr",
    "--no-auto-key-retrieve", "--no-auto-key-locate", "--no-auto-check-trustdb", "--lock-never",
    "--trust-model", "always", "--weak-digest", "SHA1",
)  # fmt: skip
_BAD = {
    "EXPSIG": "the signature has run out",
    "EXPKEYSIG": "the key has run out",
    "REVKEYSIG": "the key was revoked",
    "BADSIG": "the signature is not of this object: it was changed after it was signed",
    "NO_PUBKEY": "the key is none of those allowed",
}


class SignatureRefused(Exception):
    """A signature that counts for nothing: `why`, and the key or name that it claims to be of, where that is known."""

    def __init__(self, why: str, claimed: str = "") -> None:
        super().__init__(why)
        self.why, self.claimed = why, claimed


class ProgramMissing(Exception):
    """A program that verifies is not installed."""

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} is not installed")
        self.program = program


def program(name: str) -> str | None:
    """Return the path of a program that verifies; None where it is not installed."""
    import shutil  # with every kind of archive that Python knows, and a folder's reader needs none

    return shutil.which(name, path=os.defpath) or shutil.which(name)


def verified(signed: SignedObject, signers: Signers, work_dir: Path) -> CommitSigner:
    """Return who signed it. `work_dir` is a directory of ours.

    Raises:
        SignatureRefused: nobody who is allowed to.
        ProgramMissing: nobody can tell.
    """
    if signed.kind is SignatureKind.X509:
        raise SignatureRefused("it is signed with X.509, which airs does not verify; sign with SSH or OpenPGP")
    keys, verify = (signers.ssh, _by_ssh) if signed.kind is SignatureKind.SSH else (signers.openpgp, _by_openpgp)
    if not keys.strip():
        kind = "SSH" if signed.kind is SignatureKind.SSH else "OpenPGP"
        raise SignatureRefused(f"it is signed with {kind}, and no key of that kind is allowed")
    import tempfile  # with `shutil`

    with tempfile.TemporaryDirectory(prefix="verify-", dir=work_dir) as folder:
        return verify(signed, signers, Path(folder))


class _Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def why(self) -> str:
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return "".join(c if c.isprintable() else " " for c in "; ".join(dict.fromkeys(lines)))[:SAID_MAX]


def _run(name: str, arguments: Sequence[str], folder: Path, given: bytes = b"") -> _Said:
    import subprocess  # only where something is verified

    path = program(name)
    if path is None:
        raise ProgramMissing(name)
    environment = {"PATH": os.defpath, "HOME": str(folder), "GNUPGHOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            [path, *arguments], input=given, capture_output=True, env=environment, cwd=folder, timeout=LIMIT_S,
            check=False, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SignatureRefused(f"{name} took longer than {LIMIT_S:g} seconds") from None
    return _Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def _by_ssh(signed: SignedObject, signers: Signers, folder: Path) -> CommitSigner:
    (folder / "signature").write_bytes(signed.signature)
    (folder / "allowed").write_bytes(signers.ssh)
    (folder / "revoked").write_bytes(signers.revoked)
    fits = _run("ssh-keygen", ("-Y", "check-novalidate", "-n", _NAMESPACE, "-s", "signature"), folder, signed.payload)
    key = fits.out.strip().rpartition(" ")[2]
    if fits.code or not fits.out.startswith(f'Good "{_NAMESPACE}" signature with '):
        raise SignatureRefused(f"the signature is not of this object, or of another purpose ({fits.why})")
    found = _run("ssh-keygen", ("-Y", "find-principals", "-s", "signature", "-f", "allowed"), folder)
    for name in found.out.replace(",", "\n").split() if not found.code else ():
        if _is_by(name, signed, folder):
            if signers.revoked and not _is_by(name, signed, folder, "-r", "revoked"):
                raise SignatureRefused("the key was revoked", f"{_shown(name)}, SSH key {key}")
            return CommitSigner(name=_shown(name), key=key)
    raise SignatureRefused(_ssh_words(found.why), f"SSH key {key}")


def _is_by(name: str, signed: SignedObject, folder: Path, *more: str) -> bool:
    asked = ("-Y", "verify", "-n", _NAMESPACE, "-f", "allowed", *more, "-I", name, "-s", "signature")
    said = _run("ssh-keygen", asked, folder, signed.payload)
    return not said.code and said.out.startswith(f'Good "{_NAMESPACE}" signature for ')


def _ssh_words(why: str) -> str:
    if "expired" in why or "not yet valid" in why:
        return f"the key is not valid now ({why})"
    return "the key is none of those allowed" + (f" ({why})" if "No principal" not in why and why else "")


def _by_openpgp(signed: SignedObject, signers: Signers, folder: Path) -> CommitSigner:
    (folder / "home").mkdir(mode=0o700)
    try:
        ring = dearmored(signers.openpgp)
    except ValueError as error:
        raise SignatureRefused(f"the OpenPGP keys cannot be used: {error}") from None
    for name, data in (("ring", ring), ("signature", signed.signature), ("payload", signed.payload)):
        (folder / name).write_bytes(data)
    keys = ("--no-default-keyring", "--keyring", "./ring")
    said = _run("gpg", (*_GPG, *keys, "--status-fd", "1", "--verify", "signature", "payload"), folder)
    return _signer_of(said)


def _signer_of(said: _Said) -> CommitSigner:
    """Read the words of `gpg --status-fd`; one good signature, and nothing else, is good."""
    lines = [line.removeprefix("[GNUPG:] ").split(" ") for line in said.out.splitlines() if line.startswith("[GNUPG:]")]
    words = {line[0]: line[1:] for line in lines}
    bad = next((word for word in _BAD if word in words), None)
    good, valid = ([line for line in lines if line[0] == word] for word in ("GOODSIG", "VALIDSIG"))
    if bad is not None:
        claimed = _shown(unquote(" ".join(words[bad][1:]))) if bad != "NO_PUBKEY" else f"key {words[bad][0]}"
        raise SignatureRefused(_BAD[bad], claimed)
    if said.code or len(good) != 1 or len(valid) != 1 or len(valid[0]) < 2:
        raise SignatureRefused(f"the signature cannot be verified ({said.why})")
    return CommitSigner(name=_shown(unquote(" ".join(good[0][2:]))), key=_shown(valid[0][-1]))


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:SAID_MAX]

"""Reads the operator's files of keys by which commits are verified, as they are now; `verify.py` hands them on.

A file is trusted only where nobody but the operator could have written it. Whether a file is of OpenPGP keys or of
SSH's allowed signers is told by its contents.
"""

import base64
import hashlib
import os
import stat
from typing import NamedTuple

from orchestrator.model.verification import Verification

FILE_MAX_BYTES = 1 << 20
_ARMOR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_ARMOR_END = b"-----END PGP PUBLIC KEY BLOCK-----"
_PRIVATE = (b"-----BEGIN PGP PRIVATE KEY BLOCK-----", b"-----BEGIN OPENSSH PRIVATE KEY-----")


class SignersUnusable(Exception):
    """A file of keys cannot be used, so that nothing can be verified."""


class Signers(NamedTuple):
    """The keys of all files: SSH's allowed signers, keys that SSH refuses, and OpenPGP's public keys."""

    ssh: bytes
    revoked: bytes
    openpgp: bytes

    @property
    def digest(self) -> str:
        """A digest of all of them."""
        whole = b"".join(len(part).to_bytes(8, "big") + part for part in self)
        return hashlib.sha256(whole).hexdigest()


def read_signers(verification: Verification) -> Signers:
    """Read all files of keys.

    Raises:
        SignersUnusable: one cannot be read or trusted, or holds a private key.
    """
    files = [_read(path) for path in verification.signers]
    ssh = [data for data in files if _ARMOR not in data]
    openpgp = [data for data in files if _ARMOR in data]
    revoked = _read(verification.revoked) if verification.revoked else b""
    return Signers(b"\n".join(ssh), revoked, b"\n".join(openpgp))


def dearmored(data: bytes) -> bytes:
    """Return the keys of all armored blocks in binary, as a key ring holds them.

    Raises:
        ValueError: a block is not one.
    """
    keys = []
    for block in data.split(_ARMOR)[1:]:
        body, end, _ = block.partition(_ARMOR_END)
        lines = body.replace(b"\r", b"").split(b"\n\n", 1)[-1].split(b"\n")
        packed = b"".join(line.strip() for line in lines if not line.startswith(b"="))
        if not end:
            raise ValueError("a block of keys has no end")
        keys.append(base64.b64decode(packed, validate=True))
    return b"".join(keys)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", opener=_opened) as file:
            problem = distrusted_signers(os.fstat(file.fileno()))
            data = b"" if problem else file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise SignersUnusable(f"{path} cannot be read: {error.strerror}") from None
    if problem or len(data) > FILE_MAX_BYTES:
        raise SignersUnusable(f"{path} {problem or f'is larger than {FILE_MAX_BYTES >> 20} MiB'}")
    if any(mark in data for mark in _PRIVATE):
        raise SignersUnusable(f"{path} holds a private key; only public keys belong there")
    return data


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def distrusted_signers(about: os.stat_result) -> str:
    """Say why the operator alone could not have written a file of keys; empty where nothing speaks against it."""
    if not stat.S_ISREG(about.st_mode):
        return "is not an ordinary file"
    if about.st_uid not in (0, os.geteuid()):
        return f"belongs to user {about.st_uid}, who could let others sign"
    if about.st_mode & stat.S_IWOTH or (about.st_mode & stat.S_IWGRP and about.st_gid != os.getegid()):
        return "can be written by others, who could let themselves sign: run `chmod go-w` on it"
    return ""

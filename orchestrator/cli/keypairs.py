"""Key pairs of people who sign: files of their own, in their folder of configurations, never in a state directory.

An agent needs no private key; a machine that runs components had better not hold the key that signs them.
"""

import os
import sys
from pathlib import Path

import click

from orchestrator.cli.configured import config_home
from orchestrator.contract.codes import FAILED, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.signing.keys import PEM_MAX_BYTES, KeyRefused, PassphraseNeeded, read_private, read_public

VARIABLE = "AIRS_KEY_PASSPHRASE"  # the variable that machines give it by
FOLDER = "keys"


def keys_folder() -> Path:
    """Return the user's folder of keys."""
    return config_home() / FOLDER


def private_file(named: str) -> Path:
    """Return the file of a private key that is named, or given as a file."""
    is_file = "/" in named or named.endswith(".pem")
    return Path(named) if is_file else keys_folder() / f"{named}.pem"


def signing_key(named: str) -> bytes:
    """Read a private key, with its passphrase if it has one.

    Raises:
        Failure: there is none, others may read it, or its passphrase is another.
    """
    file = private_file(named)
    data = _private(file)
    try:
        return read_private(data, os.environ.get(VARIABLE, "").encode())
    except PassphraseNeeded:
        return _asked(file, data)
    except KeyRefused as refused:
        raise _refused(file, refused) from None


def _asked(file: Path, data: bytes) -> bytes:
    given = ask_passphrase(f"Passphrase of {file}")
    try:
        return read_private(data, given)
    except KeyRefused as refused:
        raise _refused(file, refused) from None


def ask_passphrase(what: str, *, twice: bool = False) -> bytes:
    """Return a passphrase: the variable's, or the answer of the person at the terminal.

    Raises:
        Failure: there is neither.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return given.encode()
    if not sys.stdin.isatty():
        raise Failure("a passphrase is needed", "Nobody is at the terminal.", f"Set {VARIABLE}.", USAGE)
    return str(click.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)).encode()


def _private(file: Path) -> bytes:
    from orchestrator.store.files import NotPrivate
    from orchestrator.store.files import read_private as read_private_file

    try:
        return read_private_file(file)
    except FileNotFoundError:
        known = ", ".join(sorted(each.stem for each in keys_folder().glob("*.pem")))
        told = f"There are keys named {known}." if known else "There is no key of yours yet."
        raise Failure(f"there is no key at {file}", told, "`airs keygen` makes one.", USAGE) from None
    except NotPrivate as problem:
        raise Failure("the key cannot be used", str(problem), f"`chmod 600 {file}`", USAGE) from None


def _refused(file: Path, refused: KeyRefused) -> Failure:
    return Failure(f"{file} cannot be used", f"{refused}.", exit_code=FAILED)


def public_key(file: Path) -> bytes:
    """Read a public key's file.

    Raises:
        Failure: it cannot be read, or is none.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(PEM_MAX_BYTES + 1)
        return read_public(data)
    except OSError as problem:
        raise Failure(f"cannot read {file}", str(problem.strerror), exit_code=USAGE) from None
    except KeyRefused as refused:
        raise Failure(f"{file} is no public key", f"{refused}.", exit_code=USAGE) from None

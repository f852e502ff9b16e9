"""The options that say how the commits of a repository have to be signed: of `source add`, `up`, `plan` and others."""

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from orchestrator.cli.context import Settings, setting
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import NAME_MAX_LENGTH, NAME_PATTERN
from orchestrator.model.verification import Verification, VerifyMode

F = TypeVar("F", bound=Callable[..., Any])
MODES = [mode.value for mode in VerifyMode]


def verify_options(function: F) -> F:
    """Add them to a command."""
    for option in reversed((
        click.option(
            "--verify", type=click.Choice(MODES), expose_value=False, callback=setting("verify"),
            help="Accept only what is signed: the commit, its tag, or every commit since the last.",
        ),
        click.option(
            "--signers", metavar="FILE", multiple=True, expose_value=False, callback=setting("signers"),
            help="Those who may sign: an allowed-signers file of SSH, or OpenPGP keys. May be repeated.",
        ),
        click.option(
            "--revoked", metavar="FILE", expose_value=False, callback=setting("revoked"),
            help="Keys of SSH that count no more, as for `ssh-keygen -r`.",
        ),
    )):  # fmt: skip
        function = option(function)
    return function


def namespace_option(function: F) -> F:
    """Add the option that names the only namespaces of a source."""
    return click.option(
        "--namespace", metavar="NAME", multiple=True, type=NamespaceName(), expose_value=False,
        callback=setting("namespaces"), help="Allow this namespace and no other. May be repeated.",
    )(function)  # fmt: skip


class NamespaceName(click.ParamType[str]):
    """The name of a namespace."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read one."""
        if not re.fullmatch(NAME_PATTERN, str(value)) or len(str(value)) > NAME_MAX_LENGTH:
            self.fail(f"{str(value)[:NAME_MAX_LENGTH]!a} is no name of a namespace", param, ctx)
        return str(value)


def verification(settings: Settings) -> Verification | None:
    """Return how commits have to be signed, by these options; None where none of them is given.

    Raises:
        Failure: some are given without the others, or a file is not there.
    """
    if not (settings.verify or settings.signers or settings.revoked):
        return None
    if not settings.verify or not settings.signers:
        missing = "--signers FILE" if settings.verify else f"--verify {'|'.join(MODES)}"
        raise Failure("commits are verified by a mode and keys", f"{missing} is missing", f"Add {missing}.", USAGE)
    files = [os.path.abspath(path) for path in (*settings.signers, settings.revoked) if path]
    for path in files:
        if not os.path.isfile(path):
            raise Failure(f"{path} is no file of keys", "there is no such file", "Name one that exists.", USAGE)
    signers = tuple(os.path.abspath(path) for path in settings.signers)
    revoked = os.path.abspath(settings.revoked) if settings.revoked else ""
    return Verification(mode=VerifyMode(settings.verify), signers=signers, revoked=revoked)

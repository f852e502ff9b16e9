"""The settings that all commands share: the global options, two consoles, and where the state is."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from orchestrator.cli.configured import find, invalid_settings, resolved
from orchestrator.cli.terminal import Console
from orchestrator.cli.visible import document
from orchestrator.contract.codes import NO_AGENT, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.model.calls import Calls
from orchestrator.observe.events import printable

if TYPE_CHECKING:
    from orchestrator.cli.configured import Found
    from orchestrator.client import AgentClient, NotAnswering
    from orchestrator.model.settings import AgentSettings
    from orchestrator.settings.resolve import ResolvedSettings

FORMS = ("text", "json")  # what every command can print
REVIEW_FORMS = (*FORMS, "markdown", "github", "gitlab", "sarif")  # and a plan, for where people review it
CHECK_FORMS = (*FORMS, "github", "gitlab", "sarif")
ANSWER_S = 70.0  # for the agent to answer what it has to do nothing for
F = TypeVar("F", bound=Callable[..., Any])


class Settings:
    """The global options. They may stand before or after the command; the later one wins."""

    def __init__(self) -> None:
        self.flags: dict[str, str] = {}  # those that name a setting, as they were given
        self.output = "text"
        self.color: bool | None = None
        self.verbose = False
        self.plain_http = False  # to this machine, for one command
        self.verify = ""  # how commits have to be signed, with the two below: `verifying.py`
        self.signers: tuple[str, ...] = ()
        self.revoked = ""
        self.namespaces: tuple[str, ...] = ()  # that a source may name, and no others

    @property
    def state_dir(self) -> Path:
        """The state directory.

        Raises:
            Failure: a file of settings that could name it cannot be used.
        """
        if self.found.diagnostics:
            raise invalid_settings(self.found.diagnostics)
        return self.found.state_dir

    @cached_property
    def found(self) -> "Found":
        """The file of settings, and the state directory."""
        return find(self.flags)

    @cached_property
    def resolved(self) -> "ResolvedSettings":
        """Every setting with its origin, and what is wrong with them."""
        return resolved(self.found, self.flags)

    @property
    def configured(self) -> "AgentSettings":
        """All settings in force, of the flags, the variables, and the file.

        Raises:
            Failure: they cannot be used.
        """
        if self.resolved.values is None:
            raise invalid_settings(self.resolved.diagnostics)
        return self.resolved.values

    @property
    def calls(self) -> Calls:
        """The way that calls into guests are asked to take, by `AIRS_CALLS`.

        Raises:
            Failure: there is no such way.
        """
        named = os.environ.get("AIRS_CALLS") or Calls.NATIVE.value
        try:
            return Calls(named)
        except ValueError:
            ways = ", ".join(each.value for each in Calls)
            raise Failure(
                f"AIRS_CALLS is {named[:40]!a}", f"it may be {ways}", "Set one of these, or unset it.", USAGE
            ) from None

    @property
    def is_json(self) -> bool:
        """Whether tools read the output."""
        return self.output == "json"

    def out(self) -> Console:
        """Return the console for the document asked for."""
        return self._console(sys.stdout)

    def err(self) -> Console:
        """Return the console for everything else."""
        return self._console(sys.stderr)

    def _console(self, stream: Any) -> Console:
        return Console(stream, color=self.color)

    def print_json(self, value: Any) -> None:
        """Print a value as indented JSON, the same bytes for the same value."""
        self.print_document(msgspec.json.format(msgspec.json.encode(value), indent=2))

    def print_document(self, data: bytes) -> None:
        """Print JSON, as UTF-8 whatever the locale."""
        click.echo(document(data, sys.stdout))

    def connection(self, answer_s: float = ANSWER_S) -> "AgentClient":
        """Return a client of the agent, if there is one, closed when the command ends; `-v` tells what it asks."""
        from orchestrator.client import AgentClient  # `airs --help` asks nobody

        client = AgentClient(self.state_dir, runtime_dir(), self._tell if self.verbose else None, answer_s)
        click.get_current_context().call_on_close(client.close)
        return client

    def _tell(self, what: str) -> None:
        self.err().print(printable(what), style="dim")

    def client(self) -> "AgentClient":
        """Return a client of the agent at the state directory.

        Raises:
            Failure: no agent answers there.
        """
        client = self.connection()
        if not client.answers():
            raise self.no_agent()
        return client

    def no_agent(self, hint: str = "Start one with `airs agent start`, or name another --state-dir.") -> Failure:
        """Say that there is no agent to ask: none runs, or the one that holds the state directory does not listen."""
        silent = silent_holder(self.state_dir)
        missing = "" if self.state_dir.exists() else "There is no such directory: nothing was applied with it yet."
        return silent or Failure(f"no agent is running on {self.state_dir}", missing, hint, NO_AGENT)


def silent_holder(state_dir: Path) -> "NotAnswering | None":
    """Say that somebody holds a state directory without listening: an agent that starts, stops, or stands still."""
    from orchestrator.client import NotAnswering
    from orchestrator.store.layout import LOCK
    from orchestrator.store.lock import holder

    try:
        owner = holder(state_dir / LOCK)
    except OSError:  # no file that could be locked
        return None
    return None if owner is None else NotAnswering(state_dir, owner.pid, "it is starting, stopping, or stands still")


def runtime_dir() -> Path | None:
    """Return the user's folder for sockets, where the system provides one."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    return Path(named) if named else None


class PathArgument(click.Path):
    """A path; empty text is none, though it would resolve to where one stands."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read one."""
        if not str(value):
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


def setting(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback of an option that is remembered under that name in the `Settings`."""

    def remember(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is not None:
            setattr(context.ensure_object(Settings), name, value)
        return value

    return remember


def _flag(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def remember(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is not None:
            context.ensure_object(Settings).flags[name] = str(value)
        return value

    return remember


def global_options(function: F, forms: Sequence[str] = REVIEW_FORMS) -> F:
    """Add the global options to a command, which prints these forms, or to a group."""
    for option in reversed((
        click.option(
            "--state-dir", type=PathArgument(path_type=Path, resolve_path=True), expose_value=False,
            callback=_flag("--state-dir"), help="Where state is kept [env: AIRS_STATE_DIR].",
        ),
        click.option(
            "--config", type=PathArgument(path_type=Path, resolve_path=True), expose_value=False,
            callback=_flag("--config"), help="The file of settings [env: AIRS_CONFIG].",
        ),
        click.option(
            "-o", "--output", type=click.Choice(forms), expose_value=False, callback=setting("output"),
            help="Text for people, JSON for tools." if forms == FORMS else "Text for people, others for tools.",
        ),
        click.option(
            "--no-color", "color", flag_value=False, type=bool, default=None, expose_value=False,
            callback=setting("color"), help="Print no colours.",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, default=None, expose_value=False, callback=setting("verbose"),
            help="Show the requests to the agent, too.",
        ),
    )):  # fmt: skip
        function = option(function)
    return function


def plain_http_option(function: F) -> F:
    """Add the option that lets one command speak to a registry on this machine without TLS."""
    option = click.option(
        "--plain-http", is_flag=True, default=None, expose_value=False, callback=setting("plain_http"),
        help="Speak to a registry on this machine without TLS.",
    )  # fmt: skip
    return option(function)


def policy_option(function: F) -> F:
    """Add the option that names the place of policies."""
    return click.option(
        "--policy", expose_value=False, callback=_flag("--policy"), metavar="PATH|GIT",
        help="Where the policies are: a folder, a file or REPOSITORY#ref:path [env: AIRS_POLICY].",
    )(function)  # fmt: skip


def command(
    *arguments: Any, forms: Sequence[str] = FORMS, **attributes: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command that takes the global options, gets the `Settings` first, and prints these forms."""

    def declare(function: Callable[..., Any]) -> click.Command:
        @click.pass_context
        @wraps(function)
        def run(context: click.Context, *given: Any, **named: Any) -> Any:
            settings = context.ensure_object(Settings)
            if settings.output not in forms:  # named before the command
                raise click.UsageError(f"it prints {' or '.join(forms)}, not {settings.output}", context)
            return function(settings, *given, **named)

        declared: click.Command = click.command(*arguments, **attributes)(global_options(run, forms))
        return declared

    return declare

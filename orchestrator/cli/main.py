"""The `airs` command: the list of its commands, and the one place where failures become exit codes."""

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

import click
from click.exceptions import NoSuchCommand

from orchestrator import __version__
from orchestrator.cli.commands import COMMANDS, SECTIONS
from orchestrator.cli.context import global_options
from orchestrator.cli.frugal import Undisturbed
from orchestrator.cli.leaving import leave, leave_at_once
from orchestrator.cli.show import show_failure
from orchestrator.cli.terminal import Console, Text
from orchestrator.contract.codes import FAILED, INTERRUPTED, USAGE
from orchestrator.contract.problem import Failure

FIRST_FREE = 3  # file descriptors below are the standard streams


class LazyCommands(click.Group):
    """Imports a command only when it is asked for, and none for the list of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None for an unknown one."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(_imported(f"orchestrator.cli.{COMMANDS[cmd_name].module}"), cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first, or say which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand:
            from orchestrator.cli.habits import meant  # only where something is wrong

            raise click.UsageError(meant(args), ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by what they are for."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, entry.summary) for name, entry in commands.items()])


def _imported(name: str) -> ModuleType:
    if name not in sys.modules:
        with Undisturbed():
            import_module(name)
    return sys.modules[name]


@click.group(
    cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`airs help COMMAND` says more of one.",
)  # fmt: skip
@click.version_option(__version__, prog_name="airs")
@global_options
def cli() -> None:
    """Run WebAssembly components the GitOps way: plan, apply, supervise, update, roll back."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    try:
        code = _printed(arguments)
    except KeyboardInterrupt:  # before the command has begun, or after it
        code = INTERRUPTED
    leave_at_once()  # threads and modules are taken down now: Python would say much about that
    leave(code)


def _printed(arguments: Sequence[str] | None) -> int:
    _have_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale that cannot write ± is no reason to fail
    code = run(arguments)
    return code if _flushed() else FAILED


def _have_streams() -> None:
    """Open the streams we were started without, so that no socket or database gets a number that is printed to."""
    while (opened := os.open(os.devnull, os.O_RDWR)) < FIRST_FREE:
        pass
    os.close(opened)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _flushed() -> bool:
    """Write out what is buffered; False when that cannot be done, as after `| head` or on a full disk."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its end
        return False
    return True


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        result = cli.main(args=arguments, prog_name="airs", standalone_mode=False)
    except click.UsageError as error:
        _show_misuse(error)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Failure as failure:
        return _told(failure)
    except _foreseen() as problem:
        return _told(_explained(problem))
    return result if isinstance(result, int) else 0


def _told(failure: Failure) -> int:
    show_failure(Console(sys.stderr), failure)
    return failure.exit_code


def _show_misuse(error: click.UsageError) -> None:
    """Say how a command is used, what was wrong, and what somebody who knows another tool may have meant."""
    from orchestrator.cli.habits import hint  # only where something is wrong

    error.show()
    suggestion = hint(error)
    if suggestion:
        Console(sys.stderr).print(Text(f"    → {suggestion}", style="cyan"))


def _foreseen() -> tuple[type[Exception], ...]:
    """Return further exceptions of a command that are no bug; asked for only when something went wrong."""
    import msgspec

    from orchestrator.model.calls import UnknownLayout
    from orchestrator.store.database import DatabaseFault
    from orchestrator.store.files import NotPrivate
    from orchestrator.store.state_dir import StateDamaged, StateTooNew
    from orchestrator.store.trust import TrustDamaged

    of_state = NotPrivate, StateTooNew, StateDamaged, TrustDamaged, DatabaseFault
    return *of_state, UnknownLayout, msgspec.MsgspecError, OSError


def _explained(problem: Exception) -> Failure:
    import msgspec

    from orchestrator.model.calls import UnknownLayout

    if isinstance(problem, msgspec.MsgspecError):
        hint = "Restart the agent with this version: `airs agent stop`, then `airs agent start`."
        return Failure("the agent speaks another version of the API", str(problem), hint)
    if isinstance(problem, OSError):
        where = f"{problem.filename}: " if problem.filename is not None else ""
        return Failure("the machine refused what this needs", f"{where}{problem.strerror or problem}")
    if isinstance(problem, UnknownLayout):
        return Failure("the installed wasmtime cannot be used", str(problem))
    from orchestrator.store.engine import DatabaseDamaged

    hint = "Nothing was changed. `airs doctor --repair` saves what can be read; or restore it from a backup."
    return Failure("the state directory cannot be used", str(problem), hint * isinstance(problem, DatabaseDamaged))

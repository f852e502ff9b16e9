"""Commands that do something to what runs: messages and calls, restart, rollback, delete, and rollouts."""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, BinaryIO

import click
import msgspec

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.durations import DURATION
from orchestrator.cli.interrupts import telling
from orchestrator.cli.lines import Sending
from orchestrator.cli.look import rollout_status
from orchestrator.cli.names import LABEL, WORD, address_argument, key_argument, keys_argument, reason_option
from orchestrator.cli.payload import conversation_option, payload_options, written
from orchestrator.cli.payload import payload as read_payload
from orchestrator.cli.show import show_failure
from orchestrator.cli.terminal import Text
from orchestrator.cli.trace import new_name, show_conversations
from orchestrator.cli.visible import sink
from orchestrator.cli.waiting import see_through
from orchestrator.contract.codes import OK, USAGE
from orchestrator.contract.documents import Done, Ended
from orchestrator.contract.problem import Failure
from orchestrator.encoding.strict_json import NotJson, read_json
from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.observe.events import printable

GOES_ON = "A message that no instance has started on is taken back; one that is being handled is handled to its end."
timeout_option = click.option("--timeout", type=DURATION, default="30s", help="How long to wait for the answer.")


@command()
@address_argument
@click.argument("payload", required=False)
@payload_options
@click.option(
    "--lines",
    metavar="FILE",
    type=click.File("rb"),
    help="Send a message for each line of a file, or of - (standard input).",
)
@conversation_option
@click.option("--timeout", type=DURATION, default="30s", help="How long to wait for a full mailbox.")
@click.option("--id", type=WORD, help="With delivery at-least-once: another message of this id is not taken again.")
def send(
    settings: Settings, name: ComponentId, lines: BinaryIO | None, conversation: str | None, timeout: int,
    id: str | None, **payload: str | None,
) -> None:  # fmt: skip
    """Queue a message, or many, without waiting for an answer.

    Queued means in memory, or on the disk where the deployment has delivery at-least-once.
    """
    if lines is None:
        data = _payload(settings, name, payload)
        settings.client().send(name, data, conversation, timeout / 1000, id)
        settings.err().print("queued", style="dim")
        return
    if given := written(payload).given():
        hint = "Give either PAYLOAD or --lines FILE."
        raise Failure(f"{given[0]} is one message, and --lines sends many", "", hint, USAGE)
    if id is not None:
        raise Failure("--id names one message, and --lines sends many", "", "Give one of them.", USAGE)
    sending = Sending(settings.client(), name, conversation, timeout / 1000)
    sending.send(lines)
    settings.err().print(f"queued {sending.queued} messages", style="dim")


def _payload(settings: Settings, name: ComponentId, payload: dict[str, str | None]) -> bytes:
    return read_payload(written(payload), lambda: settings.client().deployment(name.deployment).accepts)


@command()
@address_argument
@click.argument("payload", required=False)
@payload_options
@conversation_option
@click.option("--trace", "is_traced", is_flag=True, help="Show on standard error what it led to by then.")
@timeout_option
def request(
    settings: Settings, name: ComponentId, conversation: str | None, is_traced: bool, timeout: int,
    **payload: str | None,
) -> None:  # fmt: skip
    """Send a message and print the reply. Nothing else goes to standard output."""
    data = _payload(settings, name, payload)
    client, trace = settings.client(), (conversation or new_name()) if is_traced else None
    try:
        with telling(settings.err(), GOES_ON):
            reply = client.request(name, data, conversation, timeout / 1000, trace)
    finally:
        if trace is not None:
            show_conversations(settings.err(), client.trace(trace))
            settings.err().print(f"`airs trace {printable(trace)}` shows what comes later", style="dim")
    if reply is None:
        return
    write = sink(sys.stdout)
    write(reply)
    if not reply.endswith(b"\n"):
        write(b"\n")


@command(context_settings={"ignore_unknown_options": True})
@address_argument
@click.argument("function", type=WORD)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--session", type=LABEL, help="The session whose handles are meant; it begins with its first call.")
@timeout_option
def call(
    settings: Settings, name: ComponentId, function: str, arguments: tuple[str, ...], session: str | None,
    timeout: int,
) -> None:  # fmt: skip
    """Call an exported function: each argument is JSON. Prints the result as JSON."""
    decoded = [_json_argument(number, text) for number, text in enumerate(arguments, 1)]
    client = settings.client()
    with telling(settings.err(), "The call is cancelled."):
        result = client.call(name, function, decoded, timeout / 1000, session)
    settings.print_document(msgspec.json.encode(result))


@command(context_settings={"ignore_unknown_options": True})
@key_argument
@click.argument("arguments", metavar="[-- ARG...]", nargs=-1, type=click.UNPROCESSED)
@reason_option
def run(settings: Settings, name: DeploymentKey, arguments: tuple[str, ...], reason: str | None) -> int:
    """Run a job again, and end as it does.

    Its output is printed; Ctrl-C ends it.

    Arguments replace those of the manifest.
    """
    sinks = {"stdout": sink(sys.stdout), "stderr": sink(sys.stderr)}
    for told in settings.client().run(name, arguments or None, reason):
        if isinstance(told, Ended):
            if told.outcome.reason is not None:
                _tell_why_ended(settings, name, told.outcome.reason)
            return told.exit_code
        sinks[told.stream](told.data)
    raise Failure(f"the run of {name} was cut off", "the agent ended", "`airs events` tells.")


def _tell_why_ended(settings: Settings, name: DeploymentKey, reason: ExitReason) -> None:
    failure = Failure(f"{name} was ended: {printable(str(reason))}", "\n".join(map(printable, reason.backtrace)))
    show_failure(settings.err(), failure)


def _json_argument(number: int, text: str) -> Any:
    try:
        return read_json(text)
    except NotJson as problem:
        raise Failure(
            f"argument {number} is not JSON: {text[:40]!a}",
            str(problem),
            "Numbers and true/false go as they are; a string needs its quotes: '\"text\"'.",
            USAGE,
        ) from None


def waiting(what: str) -> Callable[[Any], Any]:
    """Add the options of a command that waits."""
    until = f"Wait until {what}; exit 1 if it ends otherwise."
    wait = click.option("--wait/--no-wait", default=True, help=until)
    timeout = click.option("--timeout", type=DURATION, default="5m", help="How long to wait.")
    return lambda act: wait(timeout(act))


@command()
@keys_argument
@waiting("all instances are Ready again")
@reason_option
def restart(
    settings: Settings, names: tuple[DeploymentKey, ...], wait: bool, timeout: int, reason: str | None
) -> int:  # fmt: skip
    """Restart deployments, their instances one after another. The others keep answering."""
    client = settings.client()
    return _each(settings, names, lambda name: client.restart(name, reason), timeout if wait else None)


@command()
@keys_argument
@click.option("--force", is_flag=True, help="Also where other deployments depend on them.")
@waiting("they are gone")
@reason_option
def delete(
    settings: Settings, names: tuple[DeploymentKey, ...], force: bool, wait: bool, timeout: int, reason: str | None
) -> int:  # fmt: skip
    """Remove deployments; their stored data are kept."""
    client = settings.client()

    def act(name: DeploymentKey) -> Done:
        return client.delete(name, reason, force=force, beside=names)

    return _each(settings, names, act, timeout if wait else None)


def _each(
    settings: Settings, names: Iterable[DeploymentKey], act: Callable[[DeploymentKey], Done], wait_ms: int | None
) -> int:  # fmt: skip
    """Do something to each deployment and, once all is begun, wait for each; `wait_ms` None waits for none.

    One that refuses or fails does not stop the others. Returns the first one's exit code.
    """
    codes: list[int] = []
    begun: list[tuple[DeploymentKey, Done]] = []

    def attempt(step: Callable[[], None]) -> None:
        try:
            step()
        except Failure as failure:
            show_failure(settings.err(), failure)
            codes.append(failure.exit_code)

    def begin(name: DeploymentKey) -> None:
        done = act(name)
        settings.err().print(Text(printable(done.message)))
        begun.append((name, done))

    for name in names:
        attempt(partial(begin, name))
    if wait_ms is not None:
        for name, done in begun:
            attempt(partial(see_through, settings, settings.client(), name, done, wait_ms))
    return codes[0] if codes else OK


def _one(settings: Settings, name: DeploymentKey, done: Done, wait_ms: int | None) -> None:
    settings.err().print(Text(printable(done.message)))
    if wait_ms is not None:
        see_through(settings, settings.client(), name, done, wait_ms)


@command()
@key_argument
@click.option("--to", type=int, help="The revision's number in `airs history`; the previous one by default.")
@click.option("--force", is_flag=True, help="Go back to one that was rejected, too.")
@waiting("it serves")
@reason_option
def rollback(
    settings: Settings, name: DeploymentKey, to: int | None, force: bool, wait: bool, timeout: int, reason: str | None
) -> None:  # fmt: skip
    """Go back to an earlier revision. Each time it goes one further; the revision that the source wants is held."""
    _one(settings, name, settings.client().rollback(name, to, reason, force=force), timeout if wait else None)


@click.group()
@global_options
def rollout() -> None:
    """Look at a rollout, promote it, abort it, or retry."""


@command()
@key_argument
@click.option("--full", is_flag=True, help="Give the new version everything, whatever steps are left.")
@waiting("it serves, where no step is left")
@reason_option
def promote(
    settings: Settings, name: DeploymentKey, full: bool, wait: bool, timeout: int, reason: str | None
) -> None:  # fmt: skip
    """Go on by one step, whatever the rollout waits for; after the last, give the new version everything."""
    done = settings.client().rollout(name, "promote", reason, full=full)
    _one(settings, name, done, timeout if wait else None)


def _verb(verb: str, until: str, help_text: str) -> click.Command:
    @command(verb, help=help_text)
    @key_argument
    @waiting(until)
    @reason_option
    def run(settings: Settings, name: DeploymentKey, wait: bool, timeout: int, reason: str | None) -> None:
        _one(settings, name, settings.client().rollout(name, verb, reason), timeout if wait else None)

    return run


rollout.add_command(rollout_status)
rollout.add_command(promote)
rollout.add_command(_verb("pause", "it stands", "Stand at the present step until `airs rollout resume`; checks go on."))
rollout.add_command(_verb("resume", "it serves, or waits at a step", "Go on with a paused rollout."))
rollout.add_command(
    _verb("abort", "it has gone back", "Send all traffic back to the stable version and reject the new one.")
)
rollout.add_command(_verb("retry", "it serves, or waits at a step", "Try a rejected or held revision again."))

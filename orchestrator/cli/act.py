"""Commands that do something to what runs: messages and calls, restart, rollback, delete, and rollouts."""

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import click
import msgspec

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.durations import DURATION
from orchestrator.cli.lines import Sending
from orchestrator.cli.look import rollout_status
from orchestrator.cli.names import LABEL, WORD, address_argument, key_argument, keys_argument, reason_option
from orchestrator.cli.payload import conversation_option, payload_options, written
from orchestrator.cli.payload import payload as read_payload
from orchestrator.cli.show import show_failure
from orchestrator.cli.trace import new_name, show_conversations
from orchestrator.cli.visible import sink
from orchestrator.cli.waiting import ended, is_at_rest
from orchestrator.contract.codes import FAILED, OK, TIMED_OUT, USAGE
from orchestrator.contract.documents import Ended
from orchestrator.contract.problem import Failure
from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.strict_json import NotJson, read_json
from orchestrator.observe.events import printable

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
@click.option("--session", type=LABEL, help="Whose handles of resources are meant; begins with its first call.")
@timeout_option
def call(
    settings: Settings, name: ComponentId, function: str, arguments: tuple[str, ...], session: str | None,
    timeout: int,
) -> None:  # fmt: skip
    """Call an exported function: each argument is JSON. Prints the result as JSON."""
    decoded = [_json_argument(number, text) for number, text in enumerate(arguments, 1)]
    result = settings.client().call(name, function, decoded, timeout / 1000, session)
    settings.print_document(msgspec.json.encode(result))


@command(context_settings={"ignore_unknown_options": True})
@key_argument
@click.argument("arguments", metavar="[-- ARG...]", nargs=-1, type=click.UNPROCESSED)
@reason_option
def run(settings: Settings, name: DeploymentKey, arguments: tuple[str, ...], reason: str | None) -> int:
    """Run a job again, and end as it does.

    What it prints is printed; Ctrl-C ends it.

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


@command()
@keys_argument
@reason_option
def restart(settings: Settings, names: tuple[DeploymentKey, ...], reason: str | None) -> int:
    """Restart deployments, their instances one after another. The others keep answering."""
    client = settings.client()
    return _each(settings, names, lambda name: client.restart(name, reason))


@command()
@keys_argument
@click.option("--force", is_flag=True, help="Also where other deployments depend on them.")
@reason_option
def delete(settings: Settings, names: tuple[DeploymentKey, ...], force: bool, reason: str | None) -> int:
    """Remove deployments; their stored data are kept."""
    client = settings.client()
    return _each(settings, names, lambda name: client.delete(name, reason, force=force, beside=names))


def _each(settings: Settings, names: Iterable[DeploymentKey], act: Callable[[DeploymentKey], str]) -> int:
    """Do something to each deployment; one that refuses does not stop the others. Returns the first one's exit code."""
    codes = []
    for name in names:
        try:
            settings.err().print(printable(act(name)))
        except Failure as failure:
            show_failure(settings.err(), failure)
            codes.append(failure.exit_code)
    return codes[0] if codes else OK


@command()
@key_argument
@click.option("--to", type=int, help="The revision's number in `airs history`; the previous one by default.")
@click.option("--force", is_flag=True, help="Go back to one that was rejected, too.")
@click.option("--wait/--no-wait", default=True, help="Wait until it serves.")
@click.option("--timeout", type=DURATION, default="5m", help="How long to wait.")
@reason_option
def rollback(
    settings: Settings, name: DeploymentKey, to: int | None, force: bool, wait: bool, timeout: int, reason: str | None
) -> None:  # fmt: skip
    """Go back to an earlier revision. Each time it goes one further; the revision that the source wants is held."""
    client = settings.client()
    said = client.rollback(name, to, reason, force=force)
    settings.err().print(said)
    if wait:
        _wait_for_one(settings, name, timeout)


def _wait_for_one(settings: Settings, name: DeploymentKey, timeout_ms: int) -> None:
    client = settings.client()
    deadline = time.monotonic() + timeout_ms / 1000
    while not is_at_rest(view := client.deployment(name)):
        if time.monotonic() > deadline:
            raise Failure(f"{name} is not there after {timeout_ms / 1000:g}s", view.message, exit_code=TIMED_OUT)
        time.sleep(0.02)
    if view.phase == "failed":
        raise Failure(f"{name} failed", view.message, exit_code=FAILED)
    settings.err().print(ended(view))


@click.group()
@global_options
def rollout() -> None:
    """Look at a rollout, promote it, abort it, or retry."""


@command()
@key_argument
@click.option("--full", is_flag=True, help="Give the new version everything, whatever steps are left.")
@reason_option
def promote(settings: Settings, name: DeploymentKey, full: bool, reason: str | None) -> None:
    """Go on by one step, whatever the rollout waits for; after the last, give the new version everything."""
    settings.err().print(settings.client().rollout(name, "promote", reason, full=full))


def _verb(verb: str, help_text: str) -> click.Command:
    @command(verb, help=help_text)
    @key_argument
    @reason_option
    def run(settings: Settings, name: DeploymentKey, reason: str | None) -> None:
        settings.err().print(settings.client().rollout(name, verb, reason))

    return run


rollout.add_command(rollout_status)
rollout.add_command(promote)
rollout.add_command(_verb("abort", "Send all traffic back to the stable version and reject the new one."))
rollout.add_command(_verb("retry", "Try again what was rejected or held."))

"""`airs reconcile`, `airs suspend` and `airs resume`: a look at sources right away, or none until it is wanted."""

import click

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.durations import DURATION
from orchestrator.cli.names import WORD
from orchestrator.cli.source import found_source, resume_named, settled_source, suspend_named, tell_settled
from orchestrator.cli.terminal import Text
from orchestrator.client import AgentClient
from orchestrator.contract.codes import INVALID, OK, USAGE
from orchestrator.contract.documents import SourcesAsked
from orchestrator.contract.problem import Failure
from orchestrator.observe.events import printable

name_argument = click.argument("name", type=WORD)


@command()
@click.argument("name", type=WORD, required=False)
@click.option("--now", is_flag=True, help="Look at all sources that are watched, where no NAME is given.")
@click.option("--wait/--no-wait", default=True, help="Wait until they were read, and their deployments are Ready.")
@click.option("--timeout", type=DURATION, default="5m", help="How long to wait.")
def reconcile(settings: Settings, name: str | None, now: bool, wait: bool, timeout: int) -> int:
    """Look at a source right away, and carry out what it wants.

    NAME is a source's name, or its path as it was added. A source that could not be read is tried at once, too.
    """
    if name is None and not now:
        raise Failure("which source?", "", "Name one, or write --now for all that are watched.", USAGE)
    client = settings.client()
    asked = client.read_sources(found_source(client.sources(), name).name if name is not None else None)
    if not asked.names:
        settings.err().print(Text("no source is watched"))
    return _seen_through(settings, client, asked, timeout) if wait else OK


def _seen_through(settings: Settings, client: AgentClient, asked: SourcesAsked, timeout_ms: int) -> int:
    """Wait for each source, and return the worst exit code; one that failed keeps no other from being told."""
    codes, failures = [OK], []
    for each in asked.names:
        view, owned = settled_source(client, each, asked.at, timeout_ms)
        at = f" at {view.commit.named}" if view.commit is not None else ""
        settings.err().print(Text(printable(f"{each} was read{at}")))
        try:
            codes.append(tell_settled(settings, view, owned))
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return INVALID if INVALID in codes else max(codes)


@click.group()
@global_options
def suspend() -> None:
    """Stop following something until it is resumed; its deployments keep running."""


@click.group()
@global_options
def resume() -> None:
    """Follow something again that was suspended."""


@command("source")
@name_argument
def suspend_source(settings: Settings, name: str) -> None:
    """Stop following a source; its deployments keep running."""
    suspend_named(settings, name)


@command("source")
@name_argument
def resume_source(settings: Settings, name: str) -> None:
    """Follow a suspended source again."""
    resume_named(settings, name)


suspend.add_command(suspend_source)
resume.add_command(resume_source)

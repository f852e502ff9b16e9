"""`airs source`: the sources that the agent follows, also after a restart."""

import os
import sys
import time
from pathlib import Path

import click

from orchestrator.cli.background import ensure_agent
from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.durations import DURATION
from orchestrator.cli.names import WORD
from orchestrator.cli.recorded import recorded_instead
from orchestrator.cli.source_text import show_problems, show_source, source_table
from orchestrator.cli.terminal import Text
from orchestrator.cli.verifying import namespace_option, verification, verify_options
from orchestrator.cli.waiting import ended, is_at_rest, is_failure, key_of
from orchestrator.client import AgentClient
from orchestrator.contract.bodies import SourceWish
from orchestrator.contract.codes import FAILED, INVALID, NO_AGENT, OK, TIMED_OUT
from orchestrator.contract.documents import DeploymentView, Removal, SourceAdded, SourceView
from orchestrator.contract.problem import Failure
from orchestrator.model.desired import Permissions
from orchestrator.observe.events import printable
from orchestrator.source.spec import SourceRefused, parse_source

LOOK_S = 0.05
NAMED_MAX = 50  # deployments of a removal that are named
name_argument = click.argument("name", type=WORD)


@click.group()
@global_options
def source() -> None:
    """Let the agent follow folders, files and git repositories, for good.

    NAME is a source's name, or its path as it was added.
    """


@command()
@click.argument("path")
@click.option("--name", type=WORD, help="The source's name, instead of its path.")
@click.option("--root", help="The folder that nothing outside of is read.")
@click.option("--interval", type=DURATION, default="15s", help="How often a git repository is looked at.")
@verify_options
@namespace_option
@click.option("--adopt", is_flag=True, help="Take over, once, deployments that another source owns.")
@click.option("--allow-mass-prune", is_flag=True, help="Allow removing more than half at once, from now on.")
@click.option("--allow-empty", is_flag=True, help="Allow it to become empty, which removes all, from now on.")
@click.option("--wait/--no-wait", default=True, help="Wait until it was read, and its deployments are Ready.")
@click.option("--timeout", type=DURATION, default="5m", help="How long to wait.")
@click.option("--no-start", is_flag=True, help="Do not start an agent where none runs.")
def add(
    settings: Settings, path: str, name: str | None, root: str | None, interval: int, adopt: bool,
    allow_mass_prune: bool, allow_empty: bool, wait: bool, timeout: int, no_start: bool,
) -> int:  # fmt: skip
    """Follow a folder, a file or REPOSITORY#ref:path from now on, also after a restart."""
    permissions = Permissions(adopt=adopt, allow_mass_prune=allow_mass_prune, allow_empty=allow_empty)
    wish = SourceWish(
        path=path, cwd=str(Path.cwd()), name=name, root=root, interval_ms=interval, permissions=permissions,
        verify=verification(settings), namespaces=settings.namespaces,
    )  # fmt: skip
    client = ensure_agent(settings, may_start=not no_start)
    added = client.add_source(wish)
    _say(settings, f"{added.name} is watched from now on")
    for told in added.told:
        settings.err().print(Text(f"    {printable(told)}", style="yellow"))
    return _see_through(settings, client, added, timeout) if wait else OK


def _see_through(settings: Settings, client: AgentClient, added: SourceAdded, timeout_ms: int) -> int:
    """Wait until a source was read and its deployments have come to rest, and say how that ended."""
    view, owned = settled_source(client, added.name, added.at, timeout_ms)
    return tell_settled(settings, view, owned)


def settled_source(
    client: AgentClient, name: str, since: int, timeout_ms: int
) -> tuple[SourceView, list[DeploymentView]]:
    """Wait until a source was looked at `since` then, and its deployments have come to rest.

    Raises:
        Failure: time ran out, or it was removed meanwhile.
    """
    deadline = time.monotonic() + timeout_ms / 1000
    while True:
        view = next((each for each in client.sources() if each.name == name), None)
        if view is None:
            raise Failure(f"{name} was removed meanwhile")
        owned = [each for each in client.deployments() if each.source == name]
        is_looked_at = view.looked_at is not None and view.looked_at >= since
        if is_looked_at and (view.stale_since or _is_at_rest(view, owned)):
            return view, owned
        if time.monotonic() > deadline:
            what = "was not read" if not is_looked_at else "has not all that it wants"
            raise Failure(f"{name} {what} after {timeout_ms / 1000:g}s", "", "It stays watched.", TIMED_OUT)
        time.sleep(LOOK_S)


def _is_at_rest(view: SourceView, owned: list[DeploymentView]) -> bool:
    left_alone = {each.key for each in view.not_done if each.status.value != "waiting"}
    return all(map(is_at_rest, owned)) and len({*map(key_of, owned)} | left_alone) >= view.deployments


def tell_settled(settings: Settings, view: SourceView, owned: list[DeploymentView]) -> int:
    """Say how a source and its deployments came to rest, and return the exit code of that.

    Raises:
        Failure: it could not be read, or its commit is refused.
    """
    for each in owned:
        if each.phase != "blocked":  # which the problems tell
            _say(settings, ended(each))
    show_problems(settings.err(), view)
    if view.refused is not None:
        hint = f"It stays watched; a commit that is signed as wanted is accepted. `airs source show {view.name}` tells."
        raise Failure(f"a commit of {view.name} is refused, so nothing was read", "", hint, FAILED)
    if view.stale_since:
        hint = f"It stays watched, and is tried again; `airs source remove {view.name}` ends that."
        raise Failure(f"{view.name} could not be read", "", hint, FAILED)
    errors = [each for each in view.diagnostics if each.is_error]
    if not all(each.is_failure for each in errors):
        return INVALID
    return FAILED if errors or view.not_done or any(map(is_failure, owned)) else OK


@command("list")
def list_(settings: Settings) -> int:
    """List the sources: how each is followed, its commit, when it was read, what is wrong."""
    views, code = _views(settings)
    if settings.is_json:
        settings.print_json(views)
    else:
        source_table(settings.out(), views)
    return code


@command()
@name_argument
def show(settings: Settings, name: str) -> int:
    """Show one source in full: what it reads, since when it is stale and why, what of it is not done."""
    client = settings.connection()
    if client.answers():
        view, deployments, code = found_source(client.sources(), name), client.deployments(), OK
    else:
        recorded = recorded_instead(settings)
        view, deployments, code = found_source(recorded.sources, name), recorded.deployments, NO_AGENT
    if settings.is_json:
        settings.print_json(view)
        return code
    owned = [(f"{v.namespace}/{v.name}", v.phase, v.sync) for v in deployments if v.source == view.name]
    show_source(settings.out(), view, owned)
    return code


def _views(settings: Settings) -> tuple[list[SourceView], int]:
    client = settings.connection()
    return (client.sources(), OK) if client.answers() else (recorded_instead(settings).sources, NO_AGENT)


@command()
@name_argument
def suspend(settings: Settings, name: str) -> None:
    """Stop following a source; its deployments keep running."""
    suspend_named(settings, name)


def suspend_named(settings: Settings, name: str) -> None:
    """Suspend a source, and say so."""
    client = settings.client()
    _say(settings, client.suspend_source(found_source(client.sources(), name).name))


@command()
@name_argument
def resume(settings: Settings, name: str) -> None:
    """Follow a suspended source again."""
    resume_named(settings, name)


def resume_named(settings: Settings, name: str) -> None:
    """Resume a source, and say so."""
    client = settings.client()
    _say(settings, client.resume_source(found_source(client.sources(), name).name))


@command()
@name_argument
@click.option("--prune", is_flag=True, help="Remove its deployments, too; their stored data are kept.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(settings: Settings, name: str, prune: bool, yes: bool) -> None:
    """Forget a source. Its deployments keep running as nobody's, or are removed with --prune."""
    client = settings.client()
    shown = client.removal(found_source(client.sources(), name).name, prune=prune)
    _show_removal(settings, shown)
    if not yes and sys.stdin.isatty() and not click.confirm("Remove the source?", err=True):
        raise Failure("nothing was changed")
    done = client.remove_source(shown, prune=prune)
    if settings.is_json:
        settings.print_json(done)
    _say(settings, f"{done.source} is forgotten")


def _show_removal(settings: Settings, shown: Removal) -> None:
    keys = shown.pruned or shown.kept
    what = "will be removed" if shown.pruned else "keep running, and will belong to no source"
    _say(settings, f"{shown.source}: {f'these deployments {what}:' if keys else 'it has no deployments'}")
    for key in keys[:NAMED_MAX]:
        needed = ", which others depend on" if key in shown.still_needed else ""
        settings.err().print(Text(f"    {'-' if shown.pruned else '='} {key}{needed}"))
    if len(keys) > NAMED_MAX:
        _say(settings, f"    and {len(keys) - NAMED_MAX} more")


def found_source(views: list[SourceView], name: str) -> SourceView:
    """Find a source by its name, or by its path as typed where one stands.

    Raises:
        Failure: there is none.
    """
    meant = (name, *_identities(name))
    found = [view for each in meant for view in views if each in (view.name, view.reads)]
    if not found:
        known = ", ".join(view.name for view in views[:10])
        hint = f"There are: {known}." if known else "There are none; `airs source add PATH` adds one."
        raise Failure(f"no source {name}", suggestion=hint)
    return found[0]


def _identities(name: str) -> tuple[str, ...]:
    try:
        return (os.path.realpath(name), parse_source(name, cwd=Path.cwd()).identity)
    except (SourceRefused, OSError, ValueError):
        return (os.path.realpath(name),)


def _say(settings: Settings, what: str) -> None:
    settings.err().print(Text(printable(what)))


for each in (add, list_, show, suspend, resume, remove):
    source.add_command(each)

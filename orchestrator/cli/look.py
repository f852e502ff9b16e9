"""Commands that only look: `status`, `get`, `history`, `rollout status`."""

from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli.compiling import under_way
from orchestrator.cli.context import Settings, command
from orchestrator.cli.filters import Filter, filter_options
from orchestrator.cli.history import COLUMNS, history_table, row, show_revision
from orchestrator.cli.keys import Pause, pausing
from orchestrator.cli.names import NAME, key_argument, optional_key_argument
from orchestrator.cli.show import PHASE_STYLES, clock, short, table
from orchestrator.cli.signers import SIGNATURES_TOLD, signer_parts
from orchestrator.cli.source_text import show_sources, source_table
from orchestrator.cli.terminal import Console, Live, Text
from orchestrator.cli.waiting import ARRIVED
from orchestrator.client import AgentClient, going
from orchestrator.contract.codes import NO_AGENT, OK, USAGE
from orchestrator.contract.documents import (
    DeadLetterView,
    DeploymentView,
    GrantView,
    GroupView,
    HistoryView,
    InstanceView,
    RunView,
    SourceView,
    SubscriptionView,
)
from orchestrator.contract.problem import Failure
from orchestrator.model.condition import ConditionType, Truth
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import RequestCounts, Traffic
from orchestrator.observe.events import printable

if TYPE_CHECKING:
    from orchestrator.cli.recorded import RecordedViews

T = TypeVar("T")
WATCH_S = 0.5
KINDS = (
    "deployments", "instances", "groups", "revisions", "runs", "sources", "dead-letters", "subscriptions", "grants",
)  # fmt: skip
RECORDED = ("deployments", "sources")  # what can be shown without an agent
NOTHING = "Nothing is deployed. `airs apply PATH` deploys a folder of manifests."
NOT_OF_ONE = ("sources", "runs", "dead-letters", "subscriptions", "grants")  # what needs no deployment to be there


@command()
@optional_key_argument
@filter_options
@click.option("-w", "--watch", is_flag=True, help="Keep showing it; `q` ends that.")
def status(settings: Settings, name: DeploymentKey | None, only: Filter, watch: bool) -> int:
    """Show how everything is, or one deployment in detail.

    Where no agent runs, it shows what was recorded last, and exits 69.
    """
    key = only.named(name)
    client = settings.connection()
    if not client.answers():
        if watch:
            raise settings.no_agent()
        _show_recorded(settings, key, only)
        return NO_AGENT
    show = _with_condition(_show_all(only) if key is None else _show_one(key))
    if not watch:
        show(settings, client, settings.out())
        return OK
    with pausing() as pause, going():
        _keep_showing(settings, client, show, pause)
    return OK


def _show_recorded(settings: Settings, name: DeploymentKey | None, only: Filter) -> None:
    recorded = _recorded(settings)
    if name is None:
        views = only.of(recorded.deployments)
        _show_everything(settings, settings.out(), views, recorded.sources, only, is_agent_running=False)
        return
    found = [view for view in recorded.deployments if _key_of(view) == name]
    if not found:
        raise Failure(f"no deployment {name} is recorded", suggestion="`airs status` shows those that are.")
    _show_deployment(settings, settings.out(), found[0])


Show = Callable[[Settings, AgentClient, Console], None]


def _with_condition(show: Show) -> Show:
    """Tell what is wrong with the agent's store, for as long as it is, above what is shown."""

    def show_both(settings: Settings, client: AgentClient, console: Console) -> None:
        about = client.about()
        told = settings.err() if settings.is_json else console
        if about.condition:
            told.print(Text.assemble(("store  ", "bold red"), printable(about.condition)))
        if about.policy_warning:
            told.print(Text.assemble(("policy  ", "bold red"), printable(about.policy_warning)))
        show(settings, client, console)

    return show_both


def _keep_showing(settings: Settings, client: AgentClient, show: Show, pause: Pause) -> None:
    out = settings.out()
    if not out.is_drawable:
        while True:
            show(settings, client, out)
            out.file.flush()
            if not pause(WATCH_S):
                return
    with Live(out, screen=True) as live:
        while True:
            drawn = StringIO()
            show(settings, client, Console(drawn, is_terminal=True, width=out.width, color=out.is_colored))
            live.show(drawn.getvalue().splitlines())
            if not pause(WATCH_S):
                return


def _show_all(only: Filter) -> Show:
    def show(settings: Settings, client: AgentClient, console: Console) -> None:
        views = only.of(client.deployments())
        _show_everything(settings, console, views, client.sources(), only, is_agent_running=True)

    return show


def _show_everything(
    settings: Settings, console: Console, views: Sequence[DeploymentView], sources: Sequence[SourceView],
    only: Filter, *,
    is_agent_running: bool,
) -> None:  # fmt: skip
    if settings.is_json:
        settings.print_json({"agentRunning": is_agent_running, "deployments": views, "sources": sources})
        return
    if not views:
        console.print(NOTHING if only.is_open else "Nothing that is deployed is so.")
    else:
        _deployment_table(console, views)
        for view in views:
            _show_message(console, view)
    show_sources(console, sources, {f"{view.namespace}/{view.name}" for view in views if view.sync == "held"})


def _show_message(console: Console, view: DeploymentView) -> None:
    name = f"{view.namespace}/{view.name}"
    compiling = under_way(view.compiling) if view.compiling else ""
    for told in (compiling, view.message, SIGNATURES_TOLD.get(view.signature, "")):
        if told:
            console.print(Text.assemble(("\n" + name, "bold"), f"  {printable(told)}"))
    stalled = [each for each in view.conditions if each.type is ConditionType.STALLED and each.status is Truth.TRUE]
    for condition in stalled:
        console.print(Text(f"    {condition.reason} since {clock(condition.since)}", style="dim"))
    due = [instance.next_start_at for instance in view.instances if instance.next_start_at]
    if due:
        console.print(Text(f"    next start {clock(min(due))}", style="dim"))
    if view.sync == "held":
        console.print(Text(f"    → another revision releases it, or `airs rollout retry {name}`", style="cyan"))


def _deployment_table(console: Console, views: Sequence[DeploymentView]) -> None:
    rows = [
        (
            f"{v.namespace}/{v.name}", v.version, short(v.revision), v.phase, _ready_word(v), v.sync,
            str(v.restarts), _rollout_word(v),
        )
        for v in views
    ]  # fmt: skip
    columns = ("DEPLOYMENT", "VERSION", "REVISION", "PHASE", "READY", "SYNC", "RESTARTS", "ROLLOUT")
    table(console, columns, rows, ("REVISION", "RESTARTS", "SYNC"))


def _ready_word(view: DeploymentView) -> str:
    if view.job is None:
        return f"{view.ready}/{view.replicas}"
    return "" if view.job.exit_code is None or view.phase == "running" else f"exit {view.job.exit_code}"


def _rollout_word(view: DeploymentView) -> str:
    rollout = view.rollout
    if rollout is None or rollout.phase == "succeeded" or view.is_job:
        return ""
    share = f" {rollout.weight} %" if rollout.phase in ("progressing", "paused") else ""
    return f"{rollout.phase} {rollout.target_version}{share}"


def _traffic_words(traffic: Traffic) -> str:
    """Write the counts of messages; a zero is left out, but for the usual ones."""
    usual = {"waiting": traffic.waiting, "received": traffic.received, "handled": traffic.handled}
    other = {
        "kept until handled well": traffic.kept,
        "not well": traffic.errors,
        "rejected": traffic.rejected,
        "dropped": traffic.dropped,
        "expired": traffic.expired,
        "dead letters": traffic.dead_letters,
        "over its rate limit": traffic.limited,
    }
    return ", ".join(f"{count} {word}" for word, count in (usual | {w: n for w, n in other.items() if n}).items())


def _request_words(asked: RequestCounts) -> str:
    """Write the counts of requests; a zero is left out, but for the usual ones."""
    usual = {"waiting": asked.waiting, "sent": asked.sent, "answered": asked.answered}
    other = {
        "failed": asked.failed,
        "timed out": asked.timed_out,
        "cancelled": asked.cancelled,
        "late": asked.late,
    }
    return ", ".join(f"{count} {word}" for word, count in (usual | {w: n for w, n in other.items() if n}).items())


def _show_one(key: DeploymentKey) -> Show:
    def show(settings: Settings, client: AgentClient, console: Console) -> None:
        _show_deployment(settings, console, client.deployment(key))

    return show


def _show_deployment(settings: Settings, console: Console, view: DeploymentView) -> None:
    if settings.is_json:
        settings.print_json(view)
        return
    _deployment_table(console, [view])
    _show_message(console, view)
    console.print(Text(f"\nsource     {printable(view.source) or 'none: it was removed'}", style="dim"))
    if view.wanted_revision != view.revision:
        console.print(Text(f"wants      {view.wanted_version} ({short(view.wanted_revision)})", style="dim"))
    if view.attempted_revision:
        applied, attempted = short(view.source_revision), short(view.attempted_revision)
        console.print(Text(f"commit     applied {applied or 'none'}, attempted {attempted}", style="dim"))
    for signer in view.signers:
        console.print(Text.assemble(("signed by  ", "dim"), *signer_parts(signer)))
    if view.job is not None and view.job.schedule:
        due = f", next {clock(view.job.next_at)}" if view.job.next_at else ""
        console.print(Text(f"schedule   {view.job.schedule}, {view.job.time_zone}{due}", style="dim"))
    if not view.is_job:
        console.print(Text(f"messages   {_traffic_words(view.traffic)}", style="dim"))
    if view.requests.sent:
        console.print(Text(f"requests   {_request_words(view.requests)}", style="dim"))
    if view.group is not None:
        of = f"{view.group.name} ({view.group.strategy}: {', '.join(view.group.members)})"
        told = f"group      {of}, {view.group.phase}, {_failure_words(view.group)}"
        console.print(Text(printable(told), style="dim"))
    console.print()
    _conditions_in_detail(console, view)
    console.print()
    _instances_in_detail(console, view)


def _conditions_in_detail(console: Console, view: DeploymentView) -> None:
    rows = [
        (each.type.value, each.status.value, each.reason, clock(each.since), _unsaid(each.message, view))
        for each in view.conditions
    ]
    table(console, ("CONDITION", "IS", "BECAUSE", "SINCE", ""), rows)


def _unsaid(message: str, view: DeploymentView) -> str:
    return "" if message == view.message else message


def _set_word(view: DeploymentView, instance: InstanceView) -> str:
    """Say which set an instance belongs to: the one that serves, the new one of a rollout, or one that is kept warm."""
    rollout = view.rollout
    if instance.revision == view.revision:
        return "serving"
    if rollout is not None and rollout.phase not in ARRIVED and instance.revision == rollout.target_revision:
        return "new"
    return "warm" if rollout is not None and rollout.phase == "keeping" else "leaving"


def _instances_in_detail(console: Console, view: DeploymentView) -> None:
    found = view.instances
    backs_off = any(i.next_start_at for i in found)
    rows = [
        (
            i.name, _set_word(view, i), short(i.revision), i.phase, "ready" if i.ready else "not ready", i.health,
            str(i.restarts),
            *((clock(i.next_start_at),) if backs_off else ()),
            f"{i.last_exit.kind.value}: {i.last_exit.detail}" if i.last_exit else "",
        )
        for i in found
    ]  # fmt: skip
    due = ("NEXT START",) if backs_off else ()
    columns = ("INSTANCE", "SET", "REVISION", "PHASE", "READY", "HEALTH", "RESTARTS", *due, "LAST EXIT")
    table(console, columns, rows, ("REVISION", "HEALTH", "RESTARTS"))


@command()
@click.argument("kind", metavar="KIND", type=click.Choice(KINDS))
@click.argument("name", required=False)
@filter_options
def get(settings: Settings, kind: str, name: str | None, only: Filter) -> int:
    """List things of one kind. With -o json, an array of objects.

    Where no agent runs, deployments and sources are listed as they were recorded last, and it exits 69.
    """
    key = _key_meant(kind, name, only)
    if kind in RECORDED and not settings.connection().answers():
        _get_recorded(settings, kind, name, only)
        return NO_AGENT
    found = _found(settings.client(), kind, name, key, only)
    _show_found(settings, kind, found, name if kind in RECORDED else None)
    return OK


def _key_meant(kind: str, name: str | None, only: Filter) -> DeploymentKey | None:
    if kind == "sources" and not only.is_open:
        raise click.UsageError("sources have neither a namespace nor labels")
    named = None if name is None or kind == "sources" else NAME.convert(name, None, click.get_current_context())
    return only.named(named)


def _recorded(settings: Settings) -> "RecordedViews":
    if not settings.state_dir.is_dir() or not any(settings.state_dir.iterdir()):
        raise settings.no_agent()
    from orchestrator.cli.recorded import recorded_instead  # with the store, which nobody else here waits for

    return recorded_instead(settings)


def _get_recorded(settings: Settings, kind: str, name: str | None, only: Filter) -> None:
    recorded = _recorded(settings)
    if kind == "sources":
        _show_found(settings, kind, [each for each in recorded.sources if name in (None, each.name)], name)
        return
    key = _key_meant(kind, name, only)
    meant = recorded.deployments if key is not None else only.of(recorded.deployments)
    _show_found(settings, kind, [each for each in meant if key in (None, _key_of(each))], name)


def _key_of(view: DeploymentView) -> DeploymentKey:
    return DeploymentKey(namespace=view.namespace, name=view.name)


def _show_found(settings: Settings, kind: str, found: Sequence[Any], name: str | None) -> None:
    if name is not None and not found:
        raise Failure(f"no {kind[:-1]} {name}", suggestion=f"`airs get {kind}` lists them.")
    if settings.is_json:
        settings.print_json(found)
        return
    _TABLES[kind](settings.out(), found)


def _found(client: AgentClient, kind: str, name: str | None, key: DeploymentKey | None, only: Filter) -> list[Any]:
    """Ask for all things of a kind, and keep those that are meant."""
    views: Sequence[DeploymentView] = []
    if kind not in NOT_OF_ONE or (key is None and only.labels):
        views = only.of(client.deployments()) if key is None else [client.deployment(key)]
    match kind:
        case "deployments":
            return list(views)
        case "instances":
            return [instance for view in views for instance in view.instances]
        case "groups":
            return [*{(v.group.namespace, v.group.name): v.group for v in views if v.group}.values()]
        case "revisions":
            keys = [DeploymentKey(namespace=v.namespace, name=v.name) for v in views]
            return [n for key in keys for n in client.history(key) if isinstance(n, HistoryView)]
        case "dead-letters" | "subscriptions" | "grants" | "runs":
            return _those_of(_asked(client, kind)(key), views, key, only)
        case _:
            return [source for source in client.sources() if name in (None, source.name)]


OfOne = DeadLetterView | SubscriptionView | GrantView | RunView


def _asked(client: AgentClient, kind: str) -> Callable[[DeploymentKey | None], Iterable[OfOne]]:
    kinds: dict[str, Callable[[DeploymentKey | None], Iterable[OfOne]]] = {
        "runs": client.runs, "dead-letters": client.dead_letters,
        "subscriptions": client.subscriptions, "grants": client.grants,
    }  # fmt: skip
    return kinds[kind]


def _those_of(
    found: Iterable[OfOne], views: Iterable[DeploymentView], key: DeploymentKey | None,
    only: Filter,
) -> list[OfOne]:  # fmt: skip
    """Return those of the deployments that are meant; of a namespace, also of deployments that are gone."""
    if key is not None or only.is_open:
        return [*found]
    if not only.labels:
        return [one for one in found if one.namespace == only.namespace]
    keys = {(view.namespace, view.name) for view in views}
    return [one for one in found if (one.namespace, one.deployment) in keys]


def _instance_table(console: Console, found: Sequence[Any]) -> None:
    rows = [(f"{i.namespace}/{i.deployment}", i.name, i.phase, i.health, str(i.restarts)) for i in found]
    table(console, ("DEPLOYMENT", "INSTANCE", "PHASE", "HEALTH", "RESTARTS"), rows)


def _group_table(console: Console, found: Sequence[GroupView]) -> None:
    rows = [
        (f"{g.namespace}/{g.name}", g.strategy, g.phase, _failure_words(g), ", ".join(g.members), g.gave_up)
        for g in found
    ]
    table(console, ("GROUP", "STRATEGY", "PHASE", "FAILURES", "MEMBERS", "BECAUSE"), rows)


def _failure_words(group: GroupView) -> str:
    return f"{group.failures} of {group.intensity} within {group.period_ms / 1000:g}s"


def _revision_table(console: Console, found: Sequence[Any]) -> None:
    table(console, ("DEPLOYMENT", *COLUMNS), [(f"{n.namespace}/{n.name}", *row(n)) for n in found])


def _show_letters(console: Console, found: Sequence[Any]) -> None:
    from orchestrator.cli.letters import show_letters  # with what reads payloads, which `status` never needs

    show_letters(console, found)


def _show_runs(console: Console, found: Sequence[Any]) -> None:
    from orchestrator.cli.job_runs import show_runs

    show_runs(console, found)


def _show_grants(console: Console, found: Sequence[Any]) -> None:
    from orchestrator.cli.approving import show_grants

    show_grants(console, found)


def _show_subscriptions(console: Console, found: Sequence[Any]) -> None:
    from orchestrator.cli.topics import show_subscriptions

    show_subscriptions(console, found)


_TABLES: dict[str, Callable[[Console, Sequence[Any]], None]] = {
    "deployments": _deployment_table,
    "instances": _instance_table,
    "groups": _group_table,
    "revisions": _revision_table,
    "runs": _show_runs,
    "sources": source_table,
    "dead-letters": _show_letters,
    "subscriptions": _show_subscriptions,
    "grants": _show_grants,
}


@command()
@key_argument
@click.option("--revision", type=click.IntRange(min=1), help="Show what the revision of this number contained.")
def history(settings: Settings, name: DeploymentKey, revision: int | None) -> None:
    """List a deployment's revisions, or show what one contained.

    The list says what began each, from which commit, how it ended, and what was done by hand.
    """
    if revision is not None:
        contained = settings.client().revision(name, revision)
        if settings.is_json:
            settings.print_json(contained)
        else:
            show_revision(settings.out(), contained)
        return
    found = settings.client().history(name)
    if settings.is_json:
        settings.print_json(found)
        return
    history_table(settings.out(), found)


@command("status")
@key_argument
def rollout_status(settings: Settings, name: DeploymentKey) -> None:
    """Show how far a rollout is, and what its analysis has counted."""
    view = settings.client().deployment(name)
    rollout = view.rollout
    if rollout is None:
        raise Failure(f"{name} has had no rollout", exit_code=USAGE)
    if settings.is_json:
        settings.print_json(rollout)
        return
    console = settings.out()
    stable = _set_of(rollout.stable_version, rollout.stable_revision) or "nothing"
    target = _set_of(rollout.target_version, rollout.target_revision)
    console.print(Text.assemble(
        (f"{name}", "bold"), f"  {stable} → {target}  ",
        (rollout.phase, PHASE_STYLES.get(rollout.phase, "cyan")),
    ))  # fmt: skip
    step = min(max(rollout.step + 1, 0), rollout.steps)
    console.print(f"weight     {rollout.weight} %, step {step} of {rollout.steps}")
    rate = f"{rollout.errors / rollout.messages:.1%}" if rollout.messages else "none yet"
    console.print(f"messages   {rollout.messages}, errors {rollout.errors} ({rate})")
    if rollout.inconclusive_checks and rollout.phase in ("progressing", "paused"):
        gathered = f"{rollout.evidence_messages} of the {rollout.minimum_messages} messages of the next check"
        console.print(f"evidence   {gathered}, errors {rollout.evidence_errors}")
    checks = f"{rollout.passed_checks} passed, {rollout.failed_checks} failed"
    console.print(f"checks     {checks}, {rollout.inconclusive_checks} inconclusive in a row")
    if rollout.conclusion:
        console.print(f"because    {printable(rollout.conclusion)}")


def _set_of(version: str | None, revision: str | None) -> str:
    """Name one side of a rollout: its version, and the id of its revision."""
    return f"{version} ({short(revision)})" if version else short(revision)

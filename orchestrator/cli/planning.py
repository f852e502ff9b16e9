"""`airs validate`, `airs plan` and `airs apply`."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.cli.context import (
    CHECK_FORMS,
    FORMS,
    REVIEW_FORMS,
    Settings,
    command,
    plain_http_option,
    policy_option,
)
from orchestrator.cli.declared import named_source
from orchestrator.cli.durations import DURATION
from orchestrator.cli.excerpts import Find, of_snapshot
from orchestrator.cli.names import WORD
from orchestrator.cli.reading import (
    NamedSource,
    PlanMade,
    ReadSource,
    keep_artifacts,
    make_plan_for,
    not_fetched,
    plan_by_agent,
    read_source,
    refuse_invalid,
    state_of,
)
from orchestrator.cli.show import show_diagnostics
from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.verifying import verification, verify_options
from orchestrator.cli.visible import document
from orchestrator.cli.waiting import Settled, ended, is_failure, key_of, wait_for, where_why
from orchestrator.client import AgentClient
from orchestrator.contract.codes import CHANGES, FAILED, INVALID, OK, REFUSED, USAGE
from orchestrator.contract.documents import DeploymentView
from orchestrator.contract.problem import Failure
from orchestrator.model.desired import Permissions
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.observe.events import printable
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.document import Plan, has_changes
from orchestrator.plan.saved import PLAN_MAX_BYTES, PlanRefused, read_plan, render_json, seal
from orchestrator.plan.text import NO_DEPLOYMENTS, Style, styled_lines
from orchestrator.time_of_day import wall_ms

if TYPE_CHECKING:
    from orchestrator.review.annotation import Annotation

TOLD_MAX = 20  # deployments that an apply tells of one by one
NAMED_MAX = 20  # deployments named in one error; the plan above it names all
TOGETHER_MAX = 5  # deployments with one cause that are named

PLAN_STYLES = {
    Style.PLAIN: "", Style.HEADING: "bold", Style.DIM: "dim", Style.CREATE: "green", Style.UPDATE: "yellow",
    Style.ROLL_OUT: "bold cyan", Style.REMOVE: "red", Style.RESTART: "cyan", Style.ADOPT: "cyan", Style.RENAME: "cyan",
    Style.BLOCKED: "bold red", Style.HELD: "bold yellow", Style.WARNING: "yellow",
}  # fmt: skip

source_option = click.option("--source", type=WORD, help="The source's name, instead of its path.")
root_option = click.option("--root", help="The folder that nothing outside of is read.")
adopt_option = click.option("--adopt", is_flag=True, help="Take over deployments that another source owns.")
mass_prune_option = click.option("--allow-mass-prune", is_flag=True, help="Allow removing more than half at once.")
breaking_option = click.option("--allow-breaking", is_flag=True, help="Allow breaking callers that are deployed.")
empty_option = click.option("--allow-empty", is_flag=True, help="Allow a source that has become empty to remove all.")


@command(forms=CHECK_FORMS)
@click.argument("paths", nargs=-1, required=True)
@root_option
@verify_options
@plain_http_option
def validate(settings: Settings, paths: tuple[str, ...], root: str | None) -> int:
    """Check manifests, components and artifacts; needs no agent."""
    diagnostics: list[Diagnostic] = []
    remarks: list[Annotation] = []
    count = 0
    for path in paths:
        place = NamedSource(path, root=root, verify=verification(settings))
        source = read_source(place, settings)
        resolution = source.resolution()
        if not settings.is_json:
            show_diagnostics(settings.err(), resolution.diagnostics, of_snapshot(source.snapshot))
        if settings.output not in FORMS:
            remarks += _remarks(place, resolution.diagnostics)
        diagnostics += resolution.diagnostics
        count += len(resolution.desired.deployments)
    return _tell_valid(settings, count, diagnostics, remarks)


def _remarks(place: NamedSource, diagnostics: Sequence[Diagnostic]) -> "tuple[Annotation, ...]":
    from orchestrator.cli.reviewed import placed_from  # which a person's terminal has no use for
    from orchestrator.review.annotation import of_diagnostics

    return of_diagnostics(diagnostics, placed_from(place.spec(), Path.cwd()))


def _tell_valid(
    settings: Settings, count: int, diagnostics: Sequence[Diagnostic], remarks: "Sequence[Annotation]"
) -> int:  # fmt: skip
    failures = [diagnostic for diagnostic in diagnostics if diagnostic.is_failure]
    errors = sum(diagnostic.is_error for diagnostic in diagnostics) - len(failures)
    is_bad = bool(errors or failures)
    told = f"{count} deployment{'s' * (count != 1)} valid" if not errors else f"{errors} error{'s' * (errors != 1)}"
    if failures and not errors:
        told = f"no errors found, but {not_fetched(failures)}"
    elif not (count or errors):
        told = NO_DEPLOYMENTS
    if settings.is_json:
        settings.print_json({"valid": not is_bad, "deployments": count, "diagnostics": diagnostics})
    elif settings.output in FORMS:
        (settings.err() if is_bad else settings.out()).print(told, style="bold red" if is_bad else "green")
    else:
        from orchestrator.cli.reviewed import print_annotations

        print_annotations(settings.output, tuple(sorted({*remarks})), f"airs validate: {told}")
    if errors:
        return INVALID
    return FAILED if failures else OK


@command(forms=REVIEW_FORMS)
@click.argument("path")
@source_option
@root_option
@verify_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan to apply it later.")
@click.option("--force", is_flag=True, help="Let --out overwrite a file that is there.")
@policy_option
@click.option(
    "--against", metavar="STATE", help="Compare with an exported state (FILE or URL), a git REVISION, or `empty`."
)
@click.option(
    "--state-key", metavar="KEY", help="The key that STATE must be signed by: its file, or its id (ed25519:…)."
)
@click.option("--explain", type=WORD, metavar="NAME", help="Tell the whole story of one deployment instead.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
@adopt_option
@mass_prune_option
@empty_option
@breaking_option
@plain_http_option
def plan(
    settings: Settings, path: str, source: str | None, root: str | None, out: Path | None, force: bool,
    against: str | None, state_key: str | None, detailed_exitcode: bool, explain: str | None, **allowed: bool,
) -> int:  # fmt: skip
    """Show what would change, and why. Touches nothing.

    With --against, no agent is asked and no state directory is needed: what runs is what STATE says.
    """
    permissions, place = permissions_of(allowed), named_source(settings, path, source, root)
    if out is not None and out.exists() and not force:
        raise Failure(f"{out} exists already", suggestion="Use --force to overwrite it, or name another file.")
    if state_key is not None and against is None:
        raise Failure("--state-key is for --against", "Nothing that is signed is read.", exit_code=USAGE)
    if against is None:
        planned = _planned_here(settings, place, permissions, is_saved=out is not None, is_whole=explain is not None)
    else:
        from orchestrator.cli.against import plan_against  # with what reads a state, which is rarely named

        planned = plan_against(settings, place, permissions, against, state_key)
    is_changed = _print_plan(settings, place, planned, explain)
    if explain is None:
        show_diagnostics(settings.err(), planned.plan.diagnostics, planned.find)
    refuse_invalid(planned.plan.diagnostics)
    if out is not None:
        _save(planned, out, settings)
    return CHANGES if detailed_exitcode and is_changed else OK


def _print_plan(settings: Settings, place: NamedSource, planned: PlanMade, explained: str | None) -> bool:
    """Print a plan, or its part of one deployment; returns whether anything would change."""
    if explained is not None:
        from orchestrator.cli.explaining import print_explanation  # which most plans are not asked for

        return bool(print_explanation(settings, planned, explained).actions)
    _print_whole(settings, place, planned)
    return has_changes(planned.plan)


def _print_whole(settings: Settings, place: NamedSource, planned: PlanMade) -> None:
    if settings.is_json:
        sys.stdout.buffer.write(document(render_json(planned.plan), sys.stdout))
        sys.stdout.buffer.flush()
    elif settings.output in FORMS:
        _show_plan(settings.out(), planned.plan, planned.wanted)
    else:
        from orchestrator.cli.reviewed import placed_from, print_plan  # which most plans are not printed by

        print_plan(settings.output, planned.plan, placed_from(place.spec(), Path.cwd()))


def permissions_of(options: Mapping[str, Any]) -> Permissions:
    """Return the permissions among some options, each of which is called as its flag is."""
    return Permissions(**{name: options[name] for name in Permissions.__struct_fields__})


def _planned_here(
    settings: Settings, place: NamedSource, permissions: Permissions, *, is_saved: bool, is_whole: bool = False
) -> PlanMade:  # fmt: skip
    """Plan against what runs here, or is recorded."""
    if is_saved:
        state_of(settings)  # a saved plan belongs to a state
    whole, is_named = settings.output != "text" or is_saved or is_whole, "--policy" in settings.flags
    planned = None if is_named else plan_by_agent(settings, place, permissions, whole=whole, kept=is_saved)
    return planned or make_plan_for(settings, read_source(place, settings), permissions)


def _save(planned: PlanMade, out: Path, settings: Settings) -> None:
    """Save a plan: sealed by the state directory that it was made for; one that was made elsewhere has no seal."""
    if planned.plan.against is UNSET:
        state = state_of(settings)
        keep_artifacts(state, planned)
        data, how = seal(planned.plan, state.key), f"`airs apply {out}`"
    else:
        data, how = render_json(planned.plan), f"there, `airs apply PATH --plan {out.name}`"
    from orchestrator.store.files import write_whole

    try:
        # A file is for its user alone, as a plan holds configuration.
        (write_whole if out.is_file() or not out.exists() else Path.write_bytes)(out, data)
    except OSError as problem:
        raise Failure(f"cannot save the plan to {out}", str(problem.strerror)) from None
    settings.err().print(f"Saved to {out}; {how} carries out exactly this.", style="dim")


@command()
@click.argument("path")
@source_option
@root_option
@verify_options
@click.option(
    "--plan",
    "reviewed",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A plan that was made elsewhere, `--against` this agent's state: apply exactly that, or nothing.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--wait/--no-wait", default=True, help="Wait until everything is Ready.")
@click.option("--timeout", type=DURATION, default="5m", help="How long to wait.")
@click.option("--no-start", is_flag=True, help="Do not start an agent where none runs.")
@adopt_option
@mass_prune_option
@empty_option
@breaking_option
@plain_http_option
def apply(
    settings: Settings, path: str, source: str | None, root: str | None, reviewed: Path | None, yes: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Make it so: a folder, a file, REPOSITORY#ref:path or a saved plan."""
    permissions, is_saved = permissions_of(options), reviewed is None and _is_saved_plan(Path(path))
    place = NamedSource(path, source, root) if is_saved else named_source(settings, path, source, root)
    data = _plan_file(reviewed or Path(path)) if is_saved or reviewed is not None else b""
    if reviewed is not None or (is_saved and _is_from_elsewhere(data)):
        from orchestrator.cli.reviewing import place_of, reviewed_here, reviewed_plan  # for plans made elsewhere

        wanted = reviewed_plan(data)
        place = place_of(settings, wanted, Path(path)) if is_saved else replace(place, source=wanted.source)
        client, read = _read_for_agent(settings, place, options)
        plan = _confirmed(settings, reviewed_here(settings, read, wanted), yes)
        is_saved = True
    elif is_saved:
        plan = _read_saved(data, state_of(settings).key)
        client = _agent(settings, options)
        _show(settings, plan)
    else:
        client, read = _read_for_agent(settings, place, options)
        plan = _confirmed(settings, make_plan_for(settings, read, permissions), yes)
    _tell_followed(settings, client, plan.source)
    client.apply(seal(plan, state_of(settings).key, is_shown=False), fresh=is_saved)
    _see_through(settings, client, plan, options["wait"], options["timeout"])
    refuse_invalid(plan.diagnostics)


def _agent(settings: Settings, options: Mapping[str, Any]) -> AgentClient:
    from orchestrator.cli.background import ensure_agent  # which a plan does not need

    return ensure_agent(settings, may_start=not options["no_start"])


def _read_for_agent(
    settings: Settings, place: NamedSource, options: Mapping[str, Any]
) -> tuple[AgentClient, ReadSource]:  # fmt: skip
    read = read_source(place, settings, for_agent=not options["no_start"])  # before anything is started
    return _agent(settings, options), read


def _confirmed(settings: Settings, planned: PlanMade, yes: bool) -> Plan:
    """Show a plan that was made for this, ask where something is removed, and keep what it needs."""
    _show(settings, planned.plan, planned.find)
    _confirm(planned.plan, yes)
    keep_artifacts(state_of(settings), planned)  # now: an agent collects what nobody names in a while
    return planned.plan


def _is_from_elsewhere(data: bytes) -> bool:
    from orchestrator.plan.reviewed import is_from_elsewhere

    try:
        return is_from_elsewhere(data)
    except PlanRefused:  # told by the reading
        return False


def plan_lines(plan: Plan, wanted: int | None = None) -> Iterator[Text]:
    """Yield a plan's lines as people read them; its diagnostics are for stderr, with what to do about them."""
    for line in styled_lines(replace(plan, diagnostics=()), wanted=wanted, now_ms=wall_ms()):
        yield Text.assemble(*((segment.text, PLAN_STYLES[segment.style]) for segment in line))


def _show_plan(console: Console, plan: Plan, wanted: int | None = None) -> None:
    for line in plan_lines(plan, wanted):
        console.print(line)


def _tell_followed(settings: Settings, client: AgentClient, name: str) -> None:
    """Say what an apply changes for a source that is followed: nothing, but for what is allowed this once."""
    follow = next((source.follow for source in client.sources() if source.name == name), "")
    told = {
        "watched": f"{name} is watched, and stays so: this applies it at once, with what you allow",
        "up": f"an `airs up` watches {name}: this applies it at once, with what you allow",
        "suspended": f"{name} is suspended, and stays so: this applies it once",
    }.get(follow)
    if told is not None:
        settings.err().print(Text(printable(told), style="yellow"))


def _show(settings: Settings, plan: Plan, find: Find | None = None) -> None:
    """Show a plan that is about to be applied; with `-o json`, stdout is for the outcome."""
    _show_plan(settings.err() if settings.is_json else settings.out(), plan)
    show_diagnostics(settings.err(), plan.diagnostics, find)


def _is_saved_plan(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".yaml", ".yml")


def _plan_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(PLAN_MAX_BYTES + 1)
    except OSError as problem:
        raise Failure(f"cannot read {path}", str(problem.strerror)) from None


def _read_saved(data: bytes, key: bytes) -> Plan:
    try:
        return read_plan(data, key)
    except PlanRefused as refused:
        raise Failure(refused.summary, refused.detail, refused.suggestion, INVALID) from None


def _confirm(plan: Plan, yes: bool) -> None:
    """Ask before something is removed, where there is a person to ask."""
    removes = any(action.kind is ActionKind.REMOVE for action in plan.actions)
    if removes and not yes and sys.stdin.isatty() and not click.confirm("Remove what the plan says?", err=True):
        raise Failure("nothing was changed")


def _tell_result(settings: Settings, settled: Sequence[DeploymentView], plan: Plan) -> None:
    """Say how the changed deployments came to rest: each, or of too many those that need a look."""
    changed = {action.key for action in plan.actions if not action.kind.is_stopped}
    views = [view for view in settled if key_of(view) in changed and not is_failure(view)]
    told = views if len(views) <= TOLD_MAX else [v for v in views if v.phase not in ("running", "succeeded")]
    console = settings.err()
    for view in told:
        console.print(Text(printable(ended(view))))
    if len(told) < len(views):
        console.print(f"{len(views) - len(told)} deployments run as wanted")


def _see_through(settings: Settings, client: AgentClient, plan: Plan, wait: bool, timeout_ms: int) -> None:
    stopped = [action for action in plan.actions if action.kind.is_stopped]
    moving = {action.key for action in plan.actions if not action.kind.is_stopped}
    left_alone = {action.key for action in stopped}
    wanted = {d.key: d.revision.id for d in plan.desired.deployments if d.key in moving or d.key not in left_alone}
    gone = {action.key: plan.source for action in plan.actions if action.kind is ActionKind.REMOVE}
    settled, not_created = wait_for(settings, client, wanted.keys(), gone, timeout_ms) if wait else Settled([])
    if settings.is_json:
        settings.print_json({"actions": plan.actions, "summary": plan.summary, "deployments": settled})
    else:
        _tell_result(settings, settled, plan)
    failures = [view for view in settled if is_failure(view) and key_of(view) not in left_alone]
    if failures or not_created:
        raise _not_done(failures, not_created, stopped)
    others = [v for v in settled if v.wanted_revision != wanted.get(key_of(v), v.wanted_revision)]
    if others:
        names = ", ".join(f"{view.namespace}/{view.name}" for view in others)
        raise Failure(f"{names}: another apply replaced what this one asked for", "`airs history` shows what is.")
    if stopped:
        raise _left_alone(stopped)


def _not_done(
    failures: Sequence[DeploymentView], not_created: Mapping[DeploymentKey, str], stopped: Sequence[Action]
) -> Failure:
    """Say which deployments are not as wanted: each with its own reason, one a line."""
    told = {key_of(view): view.message for view in failures} | dict(not_created)
    what = "failed" if failures and all(view.is_job for view in failures) else "did not become Ready"
    summary = f"{next(iter(told))} {what}" if len(told) == 1 else f"{len(told)} deployments {what}"
    lines = list(told.values()) if len(told) == 1 else [f"{key}: {message}" for key, message in told.items()]
    lines += [f"{action.key} is left alone: {_why_left(action)}" for action in stopped]
    look = where_why(failures[0]) if failures else "`airs status` shows what each waits for."
    return Failure(summary, _some(lines), look, FAILED)


def _left_alone(stopped: Sequence[Action]) -> Failure:
    code = REFUSED if any(action.is_ruled_out for action in stopped) else FAILED
    if len(stopped) == 1:
        reasons = ", ".join(reason.value for reason in stopped[0].reasons)
        return Failure(f"left alone: {stopped[0].key} ({reasons})", stopped[0].note, exit_code=code)
    by_cause: dict[str, list[DeploymentKey]] = {}
    for action in stopped:
        by_cause.setdefault(_why_left(action), []).append(action.key)
    lines = [f"{_named(keys)}: {why}" for why, keys in by_cause.items()]  # one cause once, however many it concerns
    return Failure(f"left alone: {len(stopped)} deployments", _some(lines), exit_code=code)


def _named(keys: Sequence[DeploymentKey]) -> str:
    rest = len(keys) - TOGETHER_MAX
    return ", ".join([*map(str, keys[:TOGETHER_MAX]), *([f"and {rest} more"] if rest > 0 else [])])


def _why_left(action: Action) -> str:
    reasons = ", ".join(reason.value for reason in action.reasons)
    return f"{reasons}: {action.note}" if action.note else reasons


def _some(lines: Sequence[str]) -> str:
    rest = len(lines) - NAMED_MAX
    return "\n".join([*lines[:NAMED_MAX], *([f"… and {rest} more"] if rest > 0 else [])])

"""Waits until what an apply changed has come to rest, and shows how far it is on a terminal."""

import time
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from orchestrator.cli.compiling import under_way
from orchestrator.cli.context import Settings
from orchestrator.cli.interrupts import telling
from orchestrator.cli.terminal import Console, Live, Text
from orchestrator.cli.times import clock
from orchestrator.client import AgentClient
from orchestrator.contract.codes import TIMED_OUT
from orchestrator.contract.documents import DeploymentView, Done, RolloutView
from orchestrator.contract.problem import Failure
from orchestrator.model.commit import short
from orchestrator.model.goal import Goal
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.observe.events import printable

LOOK_S = 0.05
LOOKING_SHARE = 0.05  # of the time, at most: a command that waits for thousands must not keep the agent from them
LOOKING_SHARE_BLIND = 0.2  # where there is none of which it can be asked whether it has come to rest
ASKED = 8  # of those waited for, of which one is asked for at a time between two looks
ARRIVED = ("keeping", "succeeded", "failed")  # phases of a rollout in which nothing new is on its way


class Settled(NamedTuple):
    """The deployments of an apply, come to rest: those that exist, and why the others were not created."""

    views: list[DeploymentView]
    not_created: Mapping[DeploymentKey, str] = {}


def wait_for(
    settings: Settings,
    client: AgentClient,
    wanted: Set[DeploymentKey],
    gone: Mapping[DeploymentKey, str],
    timeout_ms: int,
) -> Settled:
    """Wait until those `wanted` are Ready, failed, held or cannot be created, and those `gone` are, from their sources.

    Raises:
        Failure: time ran out; the agent goes on.
    """
    keys = wanted | gone.keys()
    deadline = time.monotonic() + timeout_ms / 1000
    console = settings.err()
    told: set[str] = set()
    with telling(console, _what_goes_on(keys)), Live(console) as live:
        while True:
            began = time.monotonic()
            there = client.deployments()
            views = [v for v in there if key_of(v) in keys]
            waiting = [v for v in views if not is_at_rest(v) or gone.get(key_of(v)) == v.source]
            missing = wanted - {key_of(v) for v in views}
            left = _left_undone(client, missing) if missing else {}
            if not waiting and missing <= (hopeless := _hopeless(left, there)):
                return Settled(views, {key: _why_not_created(left[key]) for key in sorted(hopeless)})
            if time.monotonic() > deadline:
                raise _late(waiting, [v for v in views if is_failure(v)], missing, left, timeout_ms)
            if not console.is_drawable:
                _tell_new(console, waiting, told)
            else:
                live.show("\n".join(progress(v) for v in waiting))
            coming = [key for key in map(key_of, waiting) if key not in gone]
            share = LOOKING_SHARE if coming else LOOKING_SHARE_BLIND
            _wait(client, coming, max(LOOK_S, (time.monotonic() - began) * (1 / share - 1)))


def _wait(client: AgentClient, waiting: Sequence[DeploymentKey], pause_s: float) -> None:
    """Wait for `pause_s`, or until some of those `waiting` are at rest, the last too: a look at one costs little."""
    asked = [*waiting[:: max(1, len(waiting) // ASKED)], *waiting[-1:]]
    until_s, step_s = time.monotonic() + pause_s, max(LOOK_S, pause_s * LOOKING_SHARE)
    while time.monotonic() + step_s < until_s:
        time.sleep(step_s)
        try:
            while asked and is_at_rest(client.deployment(asked[-1])):
                asked.pop()
        except Failure:  # it is gone, or the agent: the next look at all of them tells
            return
        if waiting and not asked:
            return
    time.sleep(max(0.0, until_s - time.monotonic()))


def _left_undone(client: AgentClient, missing: Set[DeploymentKey]) -> dict[DeploymentKey, ActionOutcome]:
    """Ask for the outcome of each deployment that does not exist yet."""
    return {left.key: left for source in client.sources() for left in source.not_done if left.key in missing}


def _hopeless(left: Mapping[DeploymentKey, ActionOutcome], there: Iterable[DeploymentView]) -> set[DeploymentKey]:
    """Return those that cannot be created: failed, or waiting for one that failed or cannot be created either."""
    failed = {key_of(view) for view in there if view.ending == "failed" or (is_failure(view) and not view.ready)}
    failed |= {key for key, outcome in left.items() if outcome.status is Status.FAILED}
    while more := {key for key, outcome in left.items() if key not in failed and failed & {*outcome.waits_for}}:
        failed |= more
    return failed & left.keys()


def _why_not_created(outcome: ActionOutcome) -> str:
    if outcome.status is Status.WAITING:
        return f"not created: it {outcome.detail}"
    return f"could not be created: {outcome.detail}"


def _what_goes_on(keys: Set[DeploymentKey]) -> str:
    name = str(min(keys)) if len(keys) == 1 else "NAME"
    return f"The agent goes on with it: `airs status -w` shows it, `airs rollout abort {name}` takes it back."


def _tell_new(console: Console, waiting: Iterable[DeploymentView], told: set[str]) -> None:
    """Say once of each deployment that it waits for a compilation, where nobody sees it move."""
    for view in waiting:
        if view.compiling is not None and view.compiling.artifact not in told:
            told.add(view.compiling.artifact)
            console.print(Text(f"{key_of(view)}  {under_way(view.compiling)}"))


def key_of(view: DeploymentView) -> DeploymentKey:
    """Return a view's key."""
    return DeploymentKey(namespace=view.namespace, name=view.name)


def is_at_rest(view: DeploymentView) -> bool:
    """Whether a deployment waits for nothing but time, or for a person."""
    return bool(view.ending)


def is_failure(view: DeploymentView) -> bool:
    """Whether a deployment at rest is not as wanted."""
    return view.ending in ("failed", "held")


def ended(view: DeploymentView) -> str:
    """Describe a deployment at rest in one line."""
    name = f"{view.namespace}/{view.name}"
    if view.ending == "paused":
        return progress(view).strip()
    if view.phase in ("fetching", "blocked"):
        return f"{name} does not run yet: {view.message}"
    if view.phase in ("suspended", "stopped"):
        return f"{name} is {view.phase}"
    if view.job is not None and view.job.schedule:
        due = f", next {clock(view.job.next_at)}" if view.job.next_at else ""
        return f"{name} is scheduled: {view.job.schedule}, {view.job.time_zone}{due}"
    if view.phase == "succeeded":
        return f"{name} ran {view.version} to its end"
    return f"{name} runs {view.version}, {view.ready}/{view.replicas} ready"


def progress(view: DeploymentView) -> str:
    """Describe a deployment under way in one line."""
    rollout = view.rollout
    if view.is_job:
        doing = f"  {under_way(view.compiling)}" if view.compiling else ""
        return f"  {view.namespace}/{view.name}  {view.phase} {view.wanted_version}{doing}  {view.message}"
    how = f"{rollout.phase} {rollout.target_version}" if rollout is not None else view.phase
    doing = f"{under_way(view.compiling)}  " if view.compiling else ""
    share = f", {rollout.weight} %" if rollout is not None and rollout.weight not in (0, 100) else ""
    return f"  {view.namespace}/{view.name}  {how}{share}  {_how_far(view)}  {doing}{view.message}".rstrip()


def _how_far(view: DeploymentView) -> str:
    """Say how many instances are ready of the stable set and of the new one, and which step of how many it is."""
    rollout = view.rollout
    if rollout is None or rollout.phase in ARRIVED or rollout.target_revision == view.revision:
        return f"{view.ready}/{view.replicas} ready"
    new = [one for one in view.instances if one.revision == rollout.target_revision]
    told = [f"new {sum(one.ready for one in new)}/{max(len(new), view.replicas)} ready"]
    if rollout.stable_revision is not None:
        told.insert(0, f"{view.ready}/{view.replicas} ready")
    if rollout.steps:
        told.append(f"step {min(max(rollout.step + 1, 1), rollout.steps)} of {rollout.steps}")
    return ", ".join(told)


def see_through(settings: Settings, client: AgentClient, key: DeploymentKey, done: Done, timeout_ms: int) -> None:
    """Wait for the goal of a request, and say how that ended.

    Raises:
        Failure: it ended otherwise, or time ran out.
    """
    if done.goal is Goal.NOTHING:
        return
    deadline = time.monotonic() + timeout_ms / 1000
    with Live(settings.err()) as live:
        while (said := how_it_ended(key, done, view := _find(client, key))) is None:
            if time.monotonic() > deadline:
                raise _late([view] if view else [], (), set(), {}, timeout_ms)
            if view is not None and settings.err().is_drawable:
                live.show(progress(view))
            time.sleep(LOOK_S)
    settings.err().print(Text(printable(said)))


def how_it_ended(key: DeploymentKey, done: Done, view: DeploymentView | None) -> str | None:
    """Say how a request ended, None while it goes on.

    Raises:
        Failure: it did not end as was asked for.
    """
    if done.goal is Goal.IS_GONE:
        if view is not None and view.phase != "removing":
            raise Failure(f"{key} is there again", "it was applied anew while it was being removed")
        return None if view is not None else f"{key} is gone"
    if view is None:
        raise Failure(f"{key} is gone", "it was deleted meanwhile")
    if done.goal is Goal.IS_READY:
        return _at_rest(key, view)
    rollout = view.rollout
    if rollout is not None and rollout.number > done.rollout:
        detail = f"that of {rollout.target_version} began (revision {rollout.number} in `airs history {key}`)"
        raise Failure(f"the rollout of {key} was replaced by another", detail)
    return None if rollout is None or rollout.number < done.rollout else _arrived(key, done.goal, view, rollout)


def _arrived(key: DeploymentKey, goal: Goal, view: DeploymentView, rollout: RolloutView) -> str | None:
    if rollout.ended == "went-back":
        if goal is Goal.GOES_BACK:
            return _at_rest(key, view) if rollout.stable_revision else f"{key} is given up, and nothing served before"
        why = f"{rollout.conclusion}\n{_serving(view)}"
        raise Failure(f"{key}: {rollout.target_version} failed", why, where_why(view))
    if rollout.ended and goal is Goal.GOES_BACK:
        raise Failure(f"{key}: {rollout.target_version} had already taken over", _serving(view))
    return ended(view) if view.ending == "stopped" else _at_rest(key, view)


def _at_rest(key: DeploymentKey, view: DeploymentView) -> str | None:
    if view.ending in ("failed", "stopped"):
        raise Failure(f"{key} is {view.phase}", view.message, where_why(view))
    return ended(view) if view.ending else None


def _serving(view: DeploymentView) -> str:
    if view.is_job:
        return ""
    return f"{view.version} serves, {view.ready}/{view.replicas} ready" if view.ready else "nothing serves"


def _find(client: AgentClient, key: DeploymentKey) -> DeploymentView | None:
    return next((view for view in client.deployments() if key_of(view) == key), None)


def _late(
    waiting: Iterable[DeploymentView], failed: Iterable[DeploymentView], missing: Set[DeploymentKey],
    left: Mapping[DeploymentKey, ActionOutcome], timeout_ms: int,
) -> Failure:  # fmt: skip
    lines = [progress(view).strip() for view in waiting]
    lines += [f"{key_of(view)}: {view.message}" for view in failed]
    why = {key: f": it {left[key].detail}" if key in left else "" for key in sorted(missing)}
    lines += [f"{key}  is not created yet{reason}" for key, reason in why.items()]
    return Failure(
        f"not Ready after {timeout_ms / 1000:g}s", "\n".join(lines),
        "The agent goes on with it; `airs status -w` shows it.", TIMED_OUT,
    )  # fmt: skip


def where_why(view: DeploymentView) -> str:
    """Name the command that shows why a deployment is not as wanted."""
    name, rollout = key_of(view), view.rollout
    if view.phase == "blocked":
        return "`airs approvals` lists those that wait for one; the plan of its source names the rule."
    if view.is_job:
        return f"`airs logs {name}` shows what it said before it ended."
    if rollout is not None and rollout.phase == "failed":
        events = f"`airs events {name} --revision {short(rollout.target_revision)}`"
        return f"{events} shows what led to it, `airs rollout status {name}` what was counted."
    if view.sync == "invalid":
        return "It is tried again as soon as its manifest is mended."
    if view.sync == "held":
        return f"`airs history {name}` shows who held it, and when."
    return f"`airs events {name}` shows what led to it."

"""Waits until what an apply changed has come to rest, and shows how far it is on a terminal."""

import time
from collections.abc import Iterable, Mapping, Set

from orchestrator.cli.compiling import under_way
from orchestrator.cli.context import Settings
from orchestrator.cli.terminal import Console, Live, Text
from orchestrator.client import AgentClient
from orchestrator.contract.codes import TIMED_OUT
from orchestrator.contract.documents import DeploymentView
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import DeploymentKey

LOOK_S = 0.05
ARRIVED = ("keeping", "succeeded", "failed")  # phases of a rollout in which nothing new is on its way


def wait_for(
    settings: Settings, client: AgentClient, wanted: Set[DeploymentKey], gone: Set[DeploymentKey], timeout_ms: int
) -> list[DeploymentView]:
    """Wait until what is `wanted` is Ready, failed or held, and what shall be `gone` is; returns what there is of both.

    Raises:
        Failure: time ran out; what was begun goes on.
    """
    keys = wanted | gone
    deadline = time.monotonic() + timeout_ms / 1000
    console = settings.err()
    told: set[str] = set()
    with Live(console) as live:
        while True:
            views = [v for v in client.deployments() if key_of(v) in keys]
            waiting = [v for v in views if not is_at_rest(v) or key_of(v) in gone]
            missing = wanted - {key_of(v) for v in views}
            if not waiting and not missing:
                return views
            if time.monotonic() > deadline:
                raise _late(waiting, _reasons(client, missing), timeout_ms)
            if not console.is_terminal:
                _tell_new(console, waiting, told)
            else:
                live.show("\n".join(progress(v) for v in waiting))
            time.sleep(LOOK_S)


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
    """Whether a deployment at rest is not what was wanted."""
    return view.ending in ("failed", "held")


def ended(view: DeploymentView) -> str:
    """Describe a deployment at rest in one line."""
    name = f"{view.namespace}/{view.name}"
    if view.ending == "paused":
        return progress(view).strip()
    if view.phase in ("suspended", "stopped"):
        return f"{name} is {view.phase}"
    if view.phase == "succeeded":
        return f"{name} ran {view.version} to its end"
    return f"{name} runs {view.version}, {view.ready}/{view.replicas} ready"


def progress(view: DeploymentView) -> str:
    """Describe a deployment under way in one line."""
    rollout = view.rollout
    if view.job is not None:
        doing = f"  {under_way(view.compiling)}" if view.compiling else ""
        return f"  {view.namespace}/{view.name}  {view.phase} {view.wanted_version}{doing}  {view.message}"
    how = f"{rollout.phase} {rollout.target_version}" if rollout is not None else view.phase
    doing = f"{under_way(view.compiling)}  " if view.compiling else ""
    share = f", {rollout.weight} %" if rollout is not None and rollout.weight not in (0, 100) else ""
    return f"  {view.namespace}/{view.name}  {how}{share}  {_how_far(view)}  {doing}{view.message}".rstrip()


def _how_far(view: DeploymentView) -> str:
    """Say how many instances are ready of what serves, of what is new beside it, and which step of how many it is."""
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


def _reasons(client: AgentClient, missing: Set[DeploymentKey]) -> dict[DeploymentKey, str]:
    """Ask why each deployment does not exist yet."""
    told = {left.key: left.detail for source in client.sources() for left in source.not_done}
    return {key: told.get(key, "") for key in sorted(missing)}


def _late(waiting: Iterable[DeploymentView], missing: Mapping[DeploymentKey, str], timeout_ms: int) -> Failure:
    lines = [progress(view).strip() for view in waiting]
    lines += [f"{key}  is not created yet" + (f": it {why}" if why else "") for key, why in missing.items()]
    return Failure(
        f"not Ready after {timeout_ms / 1000:g}s", "\n".join(lines),
        "What was begun goes on; `airs status -w` shows it.", TIMED_OUT,
    )  # fmt: skip

"""Says of a deployment whether it is a job, as its component exports `wasi:cli/run`, and what then makes no sense."""

from collections.abc import Iterator
from typing import Any

from orchestrator.cron import BadSchedule, check_schedule, check_zone
from orchestrator.interface.fitness import stays
from orchestrator.manifest.component import Component
from orchestrator.manifest.node import Node, Unplaced, find, plain
from orchestrator.model.job import Schedule, WhenAtWork, WhenMissed
from orchestrator.model.spec import Job
from orchestrator.model.world import Drive

_OUT_OF_PLACE = {
    "replicas": "a job runs once for each revision, in one instance",
    "mailbox": "a job takes no messages",
    "delivery": "a job takes no messages",
    "subscribe": "a job takes no messages",
    "routing": "a job takes no messages",
    "priority": "a job has a thread of its own",
    "restart": "a job that ended is not started again; `airs run` runs it again",
    "group": "a job that ended is not started again with others",
    "health": "a job is over when it ends, and is asked nothing in between",
    "rollout": "a job takes over nothing from the revision before it",
}


def job_problems(root: Node, component: Component) -> Iterator[Unplaced]:
    """Yield what a deployment says of a job that is none, or says of what stays though it is a job."""
    spec = find(root, "spec")
    job = find(spec, "job")
    if job is not None and Drive.JOB not in component.drives:
        place = spec.keys.get("job", job.place) if spec is not None else job.place
        summary = f"`spec.job` says how a job is run, but component {component.name} is no job"
        yield Unplaced(*place, summary, "It does not export `wasi:cli/run`.", "remove `job`, or name another component")
    if job is not None:
        yield from _schedule_problems(job)
    if not is_job(root, component) or spec is None or not isinstance(spec.value, dict):
        return
    for field, why in _OUT_OF_PLACE.items():
        if field in spec.value:
            place = spec.keys.get(field, spec.value[field].place)
            summary = f"`spec.{field}` makes no sense for component {component.name}, which is a job: {why}"
            yield Unplaced(*place, summary, suggestion=f"remove `{field}`")


def is_job(root: Node, component: Component) -> bool:
    """Decide whether it is run to its end: a component that can also stay is a job only if `spec.job` says so."""
    if Drive.JOB not in component.drives:
        return False
    return find(root, "spec", "job") is not None or not stays(component.drives)


def job_of(root: Node, component: Component) -> Job | None:
    """Return how the job of a sound deployment is run, None for what stays."""
    if not is_job(root, component):
        return None
    node = find(root, "spec", "job")
    written: Any = plain(node) if node is not None else {}
    return Job(args=tuple(written.get("args", ())), env=tuple(sorted(written.get("env", {}).items())))


def schedule_of(root: Node) -> Schedule | None:
    """Return when a sound deployment's job is run; None for once, at each revision."""
    job = find(root, "spec", "job")
    written: Any = plain(job) if job is not None else {}
    if "schedule" not in written:
        return None
    return Schedule(
        cron=" ".join(written["schedule"].split()),
        time_zone=written.get("timeZone", "UTC"),
        concurrency=WhenAtWork(written.get("concurrency", WhenAtWork.FORBID.value)),
        missed=WhenMissed(written.get("missed", WhenMissed.ONCE.value)),
    )


def _schedule_problems(job: Node) -> Iterator[Unplaced]:
    schedule, zone = find(job, "schedule"), find(job, "timeZone")
    if schedule is None:
        for field in _OF_A_SCHEDULE:
            stray = find(job, field)
            if stray is not None:
                summary = f"`spec.job.{field}` is about a schedule, and there is none"
                yield Unplaced(*stray.place, summary, suggestion="add `schedule`, or remove it")
        return
    try:
        check_zone(str(zone.value) if zone is not None else "UTC")
    except BadSchedule as bad:
        place, hint = (zone or schedule).place, "write one like `Europe/Berlin`, or leave it away for UTC"
        yield Unplaced(*place, f"`spec.job.timeZone` is none: {bad}", suggestion=hint)
        return
    try:
        check_schedule(str(schedule.value), str(zone.value) if zone is not None else "UTC", A_MOMENT_MS)
    except BadSchedule as bad:
        summary = f"`spec.job.schedule` is no schedule: {bad}"
        yield Unplaced(*schedule.place, summary, _FIELDS, "write one like `30 3 * * *`, or `@daily`")


_OF_A_SCHEDULE = ("timeZone", "concurrency", "missed")
_FIELDS = "Its fields are minute, hour, day of the month, month, day of the week; with six, seconds come first."
A_MOMENT_MS = 1_600_000_000_000  # from which on a schedule has to come once, in so many years as the library looks

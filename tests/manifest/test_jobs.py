"""Deployments of components that export `wasi:cli/run`."""

import pytest

from orchestrator.manifest import resolve
from orchestrator.model.snapshot import Artifact
from orchestrator.model.spec import Job
from orchestrator.model.world import Drive

from .samples import DIGEST, deployment, said, snapshot, world

JOB, BOTH = frozenset({Drive.JOB}), frozenset({Drive.JOB, Drive.CALLABLE})


def resolved(spec: str = "", drives=JOB):
    wasm = Artifact(digest=DIGEST, data=b"", world=world(drives=drives))
    return resolve(snapshot(deployment(spec=spec), wasm=wasm))


def job_of(spec: str = "", drives=JOB):
    (found,) = resolved(spec, drives).desired.deployments
    return found.revision.job


def test_a_job_has_arguments_and_variables_or_neither():
    assert job_of() == Job()
    assert job_of("  job: {}\n") == Job()
    written = "  job: {args: [a, 'b c', ''], env: {B: '2', A: x}}\n"
    assert job_of(written) == Job(args=("a", "b c", ""), env=(("A", "x"), ("B", "2")))


def test_a_job_has_no_instances_that_stay():
    assert resolved().desired.deployments[0].replicas == 0


def test_what_can_also_stay_is_a_job_only_if_its_manifest_says_so():
    assert job_of(drives=BOTH) is None
    assert job_of("  job: {}\n", drives=BOTH) == Job()
    assert resolved("  replicas: 2\n", drives=BOTH).desired.deployments[0].replicas == 2


def test_how_it_is_run_is_part_of_its_revision():
    ids = {resolved(spec).desired.deployments[0].revision.id for spec in ("", "  job: {args: [a]}\n")}
    assert len(ids) == 2


REFUSED = {
    "replicas": ("  replicas: 1\n", "6:3: `spec.replicas` makes no sense for component counter, which is a job: a job"),
    "delivery": (
        "  delivery: at-least-once\n",
        "6:3: `spec.delivery` makes no sense for component counter, which is a job: a job",
    ),
    "priority": (
        "  priority: low\n",
        "6:3: `spec.priority` makes no sense for component counter, which is a job: a job",
    ),
    "routing": ("  routing: {}\n", "6:3: `spec.routing` makes no sense for component counter, which is a job: a job"),
    "mailbox": ("  mailbox: {}\n", "6:3: `spec.mailbox` makes no sense for component counter, which is a job: a job"),
    "restart": ("  restart: {}\n", "6:3: `spec.restart` makes no sense for component counter, which is a job: a job"),
    "health": ("  health: {}\n", "6:3: `spec.health` makes no sense for component counter, which is a job: a job is"),
    "rollout": ("  rollout: {}\n", "6:3: `spec.rollout` makes no sense for component counter, which is a job: a job"),
    "not text": ("  job: {args: [1]}\n", "6:16: `spec.job.args[0]` must be text, but is a whole number"),
    "a number": ("  job: {env: {A: 1}}\n", "6:18: `spec.job.env.A` must be text, but is a whole number"),
    "a bad name": ("  job: {env: {'A=B': x}}\n", "6:15: a key of `spec.job.env` is `A=B`, which is not a variable's"),
    "no schedule": ("  job: {schedule: 61 * * * *}\n", "6:19: `spec.job.schedule` is no schedule: bad minute"),
    "no zone": (
        "  job: {schedule: '@daily', timeZone: Mars/Base}\n",
        "6:39: `spec.job.timeZone` is none: no time zone 'Mars/Base' is known here",
    ),
    "no such way": (
        "  job: {schedule: '@daily', concurrency: never}\n",
        "6:42: `spec.job.concurrency` is `never`; it must be `forbid` or `replace` or `allow`",
    ),
    "a zone of nothing": (
        "  job: {timeZone: UTC}\n",
        "6:19: `spec.job.timeZone` is about a schedule, and there is none",
    ),
    "unknown": ("  job: {arg: []}\n", "6:9: unknown key `arg` in `spec.job`"),
}


@pytest.mark.parametrize(("spec", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused_where_it_is_written(spec, expected):
    (line,) = said(resolved(spec))
    assert line.startswith(f"./manifests/app.yaml:{expected}"), line


def test_a_job_section_on_what_is_no_job_is_refused():
    for drives in (frozenset({Drive.ACTOR}), frozenset({Drive.CALLABLE})):
        resolution = resolved("  job: {args: []}\n", drives)
        assert said(resolution) == [
            "./manifests/app.yaml:6:3: `spec.job` says how a job is run, but component counter is no job"
        ]
        assert resolution.desired.deployments == ()

"""Jobs, run to their end: one run for each revision, whose outcome is its rollout's."""

from orchestrator.model.job import JobOutcome
from orchestrator.model.message import Undelivered
from orchestrator.model.observed import JobResult
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.model.spec import Deployment
from orchestrator.rollout.jobs import RunFacts, advance_job
from orchestrator.supervise.service import Service


class JobWorkload:
    """Jobs. Nothing of one is alive between its runs."""

    def tick(self, rollout: Rollout, service: Service, now_ms: int) -> Rollout:
        """Take one tick, by how its run goes; one that the host could not begin is no outcome until the deadline."""
        run = service.runs.find(rollout.target.revision.id)
        waits = run is not None and run.was_prevented and now_ms < rollout.deadline_ms
        outcome = None if run is None or waits else run.outcome
        if rollout.target.schedule is not None:  # its runs come by themselves, and say nothing of the revision
            outcome = JobOutcome(code=0)
        facts = RunFacts(outcome=outcome, none_at_work=not service.runs.is_at_work)
        return advance_job(rollout, facts, now_ms)

    def next_look_ms(self, rollout: Rollout, now_ms: int) -> int | None:
        """Wait: the end of a run wakes us."""
        return None

    def shape(self, rollout: Rollout, service: Service, serving: Deployment | None, old: Deployment | None) -> None:
        """Run the target once, while what served before, if anything stays of it, goes on."""
        revision = rollout.target.revision
        goes_on = rollout.phase is not RolloutPhase.ROLLING_BACK
        others_are_gone = service.runs.keep_only(revision.id if goes_on else None)
        if rollout.phase is RolloutPhase.STARTING and others_are_gone and rollout.target.schedule is None:
            service.runs.once(revision)
        if serving is None or serving.revision.is_job:
            self.rest(rollout.target, service)
        else:
            service.ensure(serving)
            service.route.direct({serving.revision.id: 100}, hold=False)
            service.drop_all_but(serving.revision.id)

    def rest(self, stable: Deployment, service: Service) -> None:
        """Keep no instance, and refuse messages."""
        service.route.refuse(self.takes_no_message(stable, service))
        service.route.direct({}, hold=False)
        service.drop_all_but()

    def result(self, rollout: Rollout, service: Service) -> JobResult | None:
        """Return how its run ended, once it has."""
        run = service.runs.find(rollout.target.revision.id)
        if run is None or run.outcome is None:
            return None
        return JobResult(
            revision=run.revision.id, outcome=run.outcome, started_ms=run.started_ms, ended_ms=run.ended_ms
        )  # fmt: skip

    def has_tried(self, service: Service) -> bool:
        """Whether it has run: a stable job has."""
        return True

    def is_ready(self, stable: Deployment, service: Service) -> bool:
        """Whether it has run to its end: a stable job has."""
        return True

    def takes_no_message(self, stable: Deployment, service: Service) -> Undelivered | None:
        """Say who takes messages and who does not."""
        why = f"{stable.key} is a job, which takes no messages; `airs run {stable.key}` runs it"
        return Undelivered("delivery-failed", why)

    def said_of(self, rollout: Rollout) -> str:
        """Say whether it runs or has run."""
        new, schedule = rollout.target.revision.version, rollout.target.schedule
        if schedule is not None:
            return f"{new} is run at {schedule.cron}, {schedule.time_zone}"
        return f"running {new}" if rollout.phase is RolloutPhase.STARTING else f"{new} ran to its end"


JOB = JobWorkload()

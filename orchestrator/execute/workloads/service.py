"""Services, kept running: instance sets behind a mailbox, switched by traffic."""

from orchestrator.model.message import Undelivered
from orchestrator.model.observed import JobResult, Phase
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.model.spec import Deployment
from orchestrator.rollout.advance import advance, due_ms
from orchestrator.rollout.facts import Facts
from orchestrator.rollout.shape import NewSet, OldSet, Shape, shape
from orchestrator.supervise.service import Service

WAITING_FOR_TIME = (RolloutPhase.PROGRESSING, RolloutPhase.PAUSED, RolloutPhase.KEEPING)
SETTLING_MS = (
    1_000  # how soon to look again at a rollout that waits for instances, which are looked at when they change
)
HOLDING_MS = 10  # the same while messages are held back, as every caller waits with us


class ServiceWorkload:
    """Services: all deployments that are no job."""

    def tick(self, rollout: Rollout, service: Service, now_ms: int) -> Rollout:
        """Take one tick, by what is seen of both sets."""
        return advance(rollout, facts_of(rollout, service), now_ms)

    def next_look_ms(self, rollout: Rollout, now_ms: int) -> int | None:
        """Look soon while instances come and go, else when something is due."""
        if shape(rollout).hold:
            return HOLDING_MS
        due = due_ms(rollout)
        wait_ms = SETTLING_MS if due is None else max(HOLDING_MS, due - now_ms)
        return wait_ms if rollout.phase in WAITING_FOR_TIME else min(wait_ms, SETTLING_MS)

    def shape(self, rollout: Rollout, service: Service, serving: Deployment | None, old: Deployment | None) -> None:
        """Set traffic, then instances: nothing is stopped that a message could still be given to."""
        service.runs.keep_only(None)
        wanted = shape(rollout)
        new, before = rollout.target.revision.id, rollout.stable
        _direct(service, _weights(wanted, new, before), wanted, before)
        alive = []
        if wanted.new is NewSet.RUNNING:
            service.ensure(rollout.target)
        if wanted.new is NewSet.RUNNING or rollout.phase is RolloutPhase.PENDING:  # still warm from before, it stays so
            alive.append(new)
        if before is not None and wanted.old is not OldSet.STOPPED:
            if old is not None and wanted.old is not OldSet.DRAINED:
                service.ensure(old)
            alive.append(before)
        service.drop_all_but(*alive)

    def rest(self, stable: Deployment, service: Service) -> None:
        """Keep all its instances, and give them all messages."""
        service.ensure(stable)
        service.route.direct({stable.revision.id: 100}, hold=False)
        service.drop_all_but(stable.revision.id)
        service.route.refuse(self.takes_no_message(stable, service))

    def result(self, rollout: Rollout, service: Service) -> JobResult | None:
        """Return nothing: it goes on."""
        return None

    def has_tried(self, service: Service) -> bool:
        """Whether no instance is before the end of its first start: one that backs off delays nobody else."""
        coming = (Phase.INSTALLED, Phase.STARTING)
        is_coming = any(i.phase in coming and not i.restarts and not i.last_exit for i in service.observe())
        return bool(service.revisions()) and not is_coming

    def is_ready(self, stable: Deployment, service: Service) -> bool:
        """Whether one instance is, where one is wanted."""
        serving = service.find(stable.revision.id)
        return serving is not None and serving.ready >= min(1, stable.replicas)

    def takes_no_message(self, stable: Deployment, service: Service) -> Undelivered | None:
        """Say so once no instance is left."""
        return Undelivered("delivery-failed", _why_dead(stable)) if _is_dead(service, stable.revision.id) else None

    def said_of(self, rollout: Rollout) -> str:
        """Say what the phase means for instances and traffic."""
        new, count = rollout.target.revision.version, rollout.target.replicas
        sentences = {
            RolloutPhase.STARTING: f"starting {count} instance{'s' * (count != 1)} of {new}",
            RolloutPhase.GATING: f"{new} answers; checked before it gets traffic",
            RolloutPhase.PROGRESSING: f"{new} gets its first share of conversations",
            RolloutPhase.PAUSED: f"{new} waits for `airs rollout promote`",
            RolloutPhase.PROMOTING: f"{new} gets all traffic",
            RolloutPhase.KEEPING: f"{new} serves; the old version stays warm for a while",
            RolloutPhase.SUCCEEDED: f"{new} serves",
        }
        return sentences.get(rollout.phase, new)


SERVICE = ServiceWorkload()


def facts_of(rollout: Rollout, service: Service) -> Facts:
    """Read what the rollout's next decision depends on off the service."""
    new = service.find(rollout.target.revision.id)
    old = service.find(rollout.stable) if rollout.stable else None
    counters = service.route.counters(rollout.target.revision.id)
    exits = [i.last_exit for i in new.observe() if i.last_exit is not None] if new else []
    new_gone = rollout.target.revision.id not in service.revisions()
    return Facts(
        wanted=rollout.target.replicas,
        ready=new.ready if new else 0,
        old_ready=old.ready if old else 0,
        gave_up=new.has_given_up if new else False,
        unhealthy=new.is_ill if new else False,
        failed_start=str(exits[-1]) if exits else "",
        old_drained=rollout.stable is None or service.route.busy(rollout.stable) == 0,
        old_asks=old.asks if old else False,
        old_gone=rollout.stable is None or rollout.stable not in service.revisions(),
        new_gone=new_gone,
        new_messages=counters.handled - counters.faults,
        new_errors=counters.errors - counters.faults,
    )


def _direct(service: Service, weights: dict[str, int], wanted: Shape, old: str | None) -> None:
    """Send messages where somebody can ever take them: to the version that is not dead, or back to the sender."""
    living = {revision: weight for revision, weight in weights.items() if not _is_dead(service, revision)}
    if weights and not living and wanted.old is OldSet.WARM and old is not None and not _is_dead(service, old):
        living = {old: 100}
    service.route.direct(living or weights, hold=wanted.hold)
    nobody = bool(weights) and not living and not wanted.hold
    why = f"{service.key} has no instance left; `airs status {service.key}` says why"
    service.route.refuse(Undelivered("delivery-failed", why) if nobody else None)


def _weights(wanted: Shape, new: str, old: str | None) -> dict[str, int]:
    weights = {new: wanted.weight} if wanted.new is NewSet.RUNNING else {}
    if old is not None and wanted.old is OldSet.SERVING:
        weights[old] = 100 - wanted.weight
    return weights


def _why_dead(stable: Deployment) -> str:
    if stable.replicas == 0:
        return f"{stable.key} has no instances: replicas is 0"
    return f"{stable.key} has no instance left; `airs status {stable.key}` says why, `airs restart` tries again"


def _is_dead(service: Service, revision: str) -> bool:
    found = service.find(revision)
    return found is not None and found.is_dead

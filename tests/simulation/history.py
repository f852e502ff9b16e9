"""Draws what happens: deployments of every kind, good and bad versions, changes, messages, crashes and commands."""

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from orchestrator.execute.ledger import Decisions
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import (
    Analysis,
    Backoff,
    Deployment,
    Group,
    GroupStrategy,
    HealthPolicy,
    Mailbox,
    PauseStep,
    RestartPolicy,
    RestartType,
    RolloutPolicy,
    Strategy,
    WeightStep,
)
from tests.plan.build import deployment, revision
from tests.simulation.guest import Script
from tests.simulation.promises import Promises
from tests.simulation.world import World

VERSIONS = ("1.0.0", "2.0.0", "3.0.0", "4.0.0")
STEPS = 45
COMMANDS = ("pause", "resume", "rollback", "rollback-to", "restart", "delete", "promote", "abort", "retry")
SCRIPTS = (
    Script(),
    Script(),
    Script(),
    Script(failing_starts=2),
    Script(never_starts=True),
    Script(never_healthy=True),
    Script(unhealthy_from=3),
    Script(traps_every=3),
    Script(errs_every=2),
    Script(raises_every=4),
)


class History:
    """One seeded history, from the first manifest until everything has come to rest."""

    def __init__(self, seed: int, store: Decisions | None = None) -> None:
        self.world = World(seed, store)
        self.random: Random = self.world.random
        self.promises = Promises(self.world)
        self.world.strategy = self.random.choice((None, *GroupStrategy))
        self.names = self.random.sample("abcd", self.random.randint(1, 3))
        self.intensity = self.random.choice((1, 6, 100))
        self.kinds = {name: self._kind() for name in self.names}
        self.world.interruptions = self.random.choice((0.0, 0.3, 0.6))
        self._steps: list[tuple[int, Callable[[], object]]] = [
            (6, self._change),
            (8, self._send),
            (12, self._time),
            (12, self._jobs),
            (8, self._control),
            (2, self._crash_instance),
            (1, self._crash_agent),
            (1, self._crash_agent_soon),
            (2, self._flip),
            (5, self._command),
            (4, self._edit),
            (1, self._damage),
            (1, self._withdraw),
            (6, self._ask),
            (2, self._cancel),
        ]

    def live(self) -> None:
        """Go through the whole history, holding the world to its promises."""
        world = self.world
        world.survive(lambda: self._save(VERSIONS[0]))
        for _ in range(self.random.randint(5, STEPS)):
            weights, steps = zip(*self._steps, strict=True)
            step = self.random.choices(steps, weights)[0]
            world.survive(step)
            self.promises.check()
        world.note("from here on it is left in peace")
        self._leave_in_peace()
        world.run_until_quiet()
        self.promises.check_at_rest()
        world.change({key: one for key, one in world.source.files.items() if self.random.random() < 0.5})
        world.note(f"only {[key.name for key in world.source.files]} are left")
        world.run_until_quiet()
        self.promises.check_at_rest()

    def _leave_in_peace(self) -> None:
        self.world.crash_in = None
        self.world.interruptions = 0
        self.world.runtime.heal()
        self.world.source.is_unknown = False
        self.world.source.half = None
        self.world.source.broken.clear()
        self.world.damaged.clear()
        self.world.look()

    def _kind(self) -> dict[str, object]:
        """Draw what stays the same of a deployment."""
        strategy = self.random.choice((Strategy.BLUE_GREEN, Strategy.CANARY, Strategy.CANARY, Strategy.RECREATE))
        stateful = strategy is not Strategy.CANARY and self.random.random() < 0.4
        policy = RolloutPolicy(
            strategy=strategy,
            steps=self._canary_steps() if strategy is Strategy.CANARY else (),
            analysis=Analysis(interval_ms=2_000, minimum_messages=1, failure_limit=0, inconclusive_limit=3),
            progress_deadline_ms=20_000,
            keep_previous_ms=self.random.choice((0, 15_000)),
            retain=self.random.choice((1, 5)),
        )
        return {
            "stateful": stateful,
            "rollout": policy,
            "mailbox": Mailbox(capacity=self.random.choice((3, 100)), batch=self.random.choice((1, 4))),
            "restart": RestartPolicy(intensity=4, period_ms=20_000, backoff=Backoff(initial_ms=200, max_ms=2_000)),
            "health": HealthPolicy(interval_ms=2_000, timeout_ms=500, failure_threshold=2),
        }

    def _canary_steps(self) -> tuple[WeightStep | PauseStep, ...]:
        pause = PauseStep(duration_ms=self.random.choice((None, 1_000, 3_000)))
        return (WeightStep(weight=30), pause, WeightStep(weight=70), PauseStep(duration_ms=1_000))

    def _group(self) -> Group | None:
        """Draw whether a deployment is in the group of this history, if there is one."""
        strategy = self.world.strategy
        if strategy is None or self.random.random() < 0.1:
            return None
        return Group(name="all", strategy=strategy, intensity=self.intensity, period_ms=20_000)

    def _deployment(self, name: str, version: str) -> Deployment:
        kind = dict(self.kinds[name])
        stateful = bool(kind.pop("stateful"))
        made = revision(version, component=name, stateful=stateful, artifact=f"sha256:{name}-{version}")
        if made.artifact not in self.world.runtime.scripts:
            good = version == VERSIONS[0] and self.random.random() < 0.8
            self.world.script(made.artifact, Script() if good else self.random.choice(SCRIPTS))
        replicas = self.random.choice((0, 1, 1)) if stateful else self.random.choice((0, 1, 2, 2, 3))
        needs = [other for other in self.names if other < name and self.random.random() < 0.2]
        return deployment(name, revision=made, replicas=replicas, needs=needs, group=self._group(), **kind)

    # The steps.

    def _save(self, version: str) -> None:
        files = [self._deployment(name, version) for name in sorted(self.names)]
        self.world.note(f"saved all at {version}")
        self.world.change({d.key: d for d in files})

    def _change(self) -> None:
        files = dict(self.world.source.files)
        for name in self.random.sample(self.names, self.random.randint(1, len(self.names))):
            changed = self._changed(name, files.get(DeploymentKey.parse(name)))
            if changed is None:
                files.pop(DeploymentKey.parse(name), None)
                self.world.note(f"removed {name}")
            else:
                files[changed.key] = changed
                shown = f"{changed.revision.version} x {changed.replicas}{' suspended' * changed.suspend}"
                self.world.note(f"saved {name} {shown}")
        self.world.change(files)

    def _changed(self, name: str, old: Deployment | None) -> Deployment | None:
        new = self._deployment(name, self.random.choice(VERSIONS))
        if old is None:
            return new
        chance = self.random.random()
        if chance < 0.1:
            return None
        if chance < 0.2:
            return replace(old, suspend=not old.suspend)
        if chance < 0.3:
            return replace(old, replicas=new.replicas)
        if chance < 0.33:
            return replace(old, group=self._group())
        if chance < 0.38:
            return replace(old, restart=replace(old.restart, type=self.random.choice((*RestartType,))))
        return replace(new, replicas=self.random.choice((old.replicas, new.replicas)), depends_on=old.depends_on)

    def _edit(self) -> None:
        """Edit something in place, in the middle of whatever goes on."""
        files = dict(self.world.source.files)
        if not files:
            return
        key = self.random.choice(sorted(files))
        old, policy = files[key], files[key].rollout
        edits: list[Callable[[], Deployment]] = [
            lambda: replace(old, labels=(("edit", str(self.random.randint(0, 9))),)),
            lambda: replace(old, replicas=self.random.randint(0, 1 if old.revision.stateful else 3)),
            lambda: replace(old, health=replace(old.health, failure_threshold=self.random.randint(1, 3))),
            lambda: replace(old, mailbox=replace(old.mailbox, capacity=self.random.choice((3, 100)))),
            lambda: replace(old, rollout=replace(policy, keep_previous_ms=self.random.choice((0, 5_000)))),
            lambda: replace(old, rollout=replace(policy, progress_deadline_ms=self.random.choice((10_000, 30_000)))),
            lambda: replace(old, rollout=replace(policy, steps=policy.steps and self._canary_steps())),
            lambda: replace(old, rollout=replace(policy, steps=policy.steps[self.random.randint(0, 2) :])),
        ]
        if not old.revision.stateful:
            strategies = (Strategy.BLUE_GREEN, Strategy.CANARY)
            edits.append(lambda: replace(old, rollout=replace(policy, strategy=self.random.choice(strategies))))
        files[key] = self.random.choice(edits)()
        self.world.note(f"edited {key.name} in place")
        self.world.change(files)

    def _damage(self) -> None:
        """Have the history of one not be readable for a while."""
        if self.world.damaged:
            self.world.damaged.clear()
        else:
            self.world.damaged.add(DeploymentKey.parse(self.random.choice(self.names)))
        self.world.note(f"damaged: {[key.name for key in self.world.damaged]}")

    def _send(self) -> None:
        for _ in range(self.random.randint(1, 5)):
            name = self.random.choice(self.names)
            conversation = self.random.choice((None, "one", "two"))
            if self.random.random() < 0.4:
                self.world.post(DeploymentKey.parse(name), self.random.randint(1, 6), conversation)
            else:
                self.world.send(DeploymentKey.parse(name), conversation)

    def _withdraw(self) -> None:
        if self.world.sent:
            self.world.withdraw(self.random.choice(self.world.sent))

    def _ask(self) -> None:
        """Have guests ask each other, where there are some that take messages."""
        serving = [key for key, service in self.world.fleet.services.items() if service.route.weights]
        for _ in range(self.random.randint(1, 4) if serving else 0):
            self.world.send(self.random.choice(serving), word="ask")

    def _cancel(self) -> None:
        if self.world.asked:
            self.world.cancel(self.random.choice([*self.world.asked]))

    def _time(self) -> None:
        self.world.pass_time(self.random.choice((1, 50, 200, 200, 1_000, 1_000, 5_000, 20_000)))
        self.world.control_if_due()

    def _jobs(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            self.world.workers.run_one()

    def _control(self) -> None:
        self.world.control()
        self.promises.check_after_a_pass()

    def _crash_instance(self) -> None:
        self.world.note("a guest traps at its next call")
        self.world.crash_instance()

    def _crash_agent(self) -> None:
        self.world.note("agent crashed")
        self.world.start_agent()

    def _crash_agent_soon(self) -> None:
        self.world.crash_in = self.random.randint(0, 6)

    def _flip(self) -> None:
        source = self.world.source
        source.is_unknown = self.random.random() < 0.5
        source.broken = set(self.random.sample(sorted(source.files), self.random.randint(0, len(source.files))))
        if self.random.random() < 0.5:
            source.broken = set()
        self.world.note(f"source {'un' * source.is_unknown}known, {len(source.broken)} artifacts damaged")
        self.world.look()

    def _command(self) -> None:
        self.world.command(self.random.choice(COMMANDS), DeploymentKey.parse(self.random.choice(self.names)))


class GroupHistory(History):
    """One seeded history of a group that serves, and whose members crash again and again."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.world.strategy = self.random.choice((*GroupStrategy,))
        self.names = ["a", "b", "c", "d"]
        self.kinds = {name: self._kind() for name in self.names}
        self._steps = [
            (8, self._send),
            (12, self._short_time),
            (20, self._jobs),
            (6, self._control),
            (10, self._crash_instance),
            (1, self._change_in_place),
            (1, lambda: self.world.command("restart", DeploymentKey.parse(self.random.choice(self.names)))),
            (1, self._crash_agent),
            (6, self._ask),
        ]

    def live(self) -> None:
        """Go through the whole history, holding the world to its promises, from when all members serve."""
        self.world.change({d.key: d for d in (self._member(name) for name in self.names)})
        self.world.run_until_quiet()
        super().live()

    def _save(self, version: str) -> None:
        return

    def _member(self, name: str) -> Deployment:
        made = self._deployment(name, VERSIONS[0])
        self.world.script(made.revision.artifact, Script())
        return made

    def _short_time(self) -> None:
        self.world.pass_time(self.random.choice((1, 50, 200, 1_000)))
        self.world.control_if_due()

    def _change_in_place(self) -> None:
        files = dict(self.world.source.files)
        key = self.random.choice(sorted(files))
        if not files[key].revision.stateful:
            files[key] = replace(files[key], replicas=self.random.randint(0, 3))
        files[key] = replace(files[key], group=self._group())
        self.world.change(files)

"""Carries out what `groups.py` decides: stops and starts the members of one group, in order, as they get there.

Level-triggered like the controller: any change calls `look`, which does what can be done now. One thread at a
time is at it; no lock is held while an instance is told something.
"""

import threading
from collections.abc import Callable, Sequence

from orchestrator.concurrency.clock import Clock, Timer
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.observed import ObservedGroup
from orchestrator.model.spec import Group
from orchestrator.supervise import groups
from orchestrator.supervise.groups import GroupRestart, GroupStep, GroupVerb, InstanceFailure, Standing
from orchestrator.supervise.instances import InstanceSet
from orchestrator.supervise.life import LifeEvent
from orchestrator.supervise.policy import Decision, within
from orchestrator.supervise.ports import Listener

FAILURES_KEPT = 1_000  # times remembered for the window; no intensity is larger


class Member:
    """A deployment in a group: the revision that is the member, what its manifest says of the group, and its set."""

    __slots__ = ("find", "key", "revision", "said")

    def __init__(self, key: DeploymentKey, revision: str, said: Group, find: Callable[[], InstanceSet | None]) -> None:
        self.key, self.revision, self.said, self.find = key, revision, said, find

    @property
    def identity(self) -> tuple[DeploymentKey, str]:
        """Its identity, which differs from that of another version of the same deployment."""
        return self.key, self.revision


class GroupSupervisor:
    """The running half of one group."""

    def __init__(self, clock: Clock, listener: Listener) -> None:
        self._clock, self._listener = clock, listener
        self._lock = threading.Lock()
        self._members: dict[DeploymentKey, Member] = {}  # in the order of their start
        self._restart = GroupRestart()
        self._failures: list[tuple[ComponentId, int]] = []  # those that counted, and when
        self._news: list[tuple[DeploymentKey, str, str]] = []
        self._timer: Timer | None = None
        self._is_at_it = self._is_to_look = False

    def regroup(self, members: Sequence[Member]) -> None:
        """Take over the members, in the order of their start; a deployment that has left goes on by itself."""
        with self._lock:
            before, self._members = self._members, {member.key: member for member in members}
            known = {member.identity for member in before.values()}
            left = [one for one in before.values() if one.identity not in {member.identity for member in members}]
            is_new = any(member.identity not in known for member in members)
            self._restart = groups.only(self._restart, [*self._members])
            if self._restart.gave_up and is_new:  # a changed manifest is a new chance for all
                self._begin_anew()
        for member in left:
            found = member.find()
            if found is not None:
                found.tell_all(LifeEvent.GO_ON)
        self.look()

    def escalate(self, failure: InstanceFailure, *, again: bool) -> Decision:
        """Decide what follows the failure of a member's instance, or follows it `again` under an edited policy.

        Makes no call: `look` carries the decision out.
        """
        with self._lock:
            key, mark = failure.of, (failure.instance, failure.at_ms)
            member = self._members.get(key)
            if member is None:
                return failure.alone
            order, said = [*self._members], member.said
            before = [at for one, at in self._failures if at <= failure.at_ms and (one, at) != mark]
            if again:
                counted = mark in self._failures
                decided = groups.decide_again(said, self._restart, order, failure, before, counted=counted)
            else:
                decided = groups.decide_together(said, self._restart, order, failure, before)
            if decided.counts:
                self._failures = [*self._failures[-FAILURES_KEPT:], mark]
            if decided.restart.gave_up and not self._restart.gave_up:
                why = f"group {said.name} gave up: {decided.restart.gave_up}"
                self._news += [(each, "gave-up", why) for each in order]
            told = f"stops and starts again with its group {said.name}, after {key}"
            self._news += [(other, "group-restart", told) for other in decided.others]
            self._restart = decided.restart
            return decided.decision

    def revive(self) -> bool:
        """Start every member again, in order, if the group gave up; whether it had."""
        with self._lock:
            had_given_up = bool(self._restart.gave_up)
            if had_given_up:
                self._begin_anew()
        self.look()
        return had_given_up

    def observe(self) -> ObservedGroup | None:
        """Describe it; None once it has no members."""
        with self._lock:
            if not self._members:
                return None
            said = next(iter(self._members.values())).said
            now = self._clock.monotonic_ms()
            recent = within(said.period_ms, [at for _, at in self._failures], now)
            waits_ms = self._restart.due_ms - now
            return ObservedGroup(
                name=said.name,
                strategy=said.strategy,
                members=tuple(self._members),
                failures=len(recent),
                restarting=() if self._restart.gave_up else self._restart.to_start,
                gave_up=self._restart.gave_up,
                due_ms=self._clock.wall_ms() + waits_ms if waits_ms > 0 and self._restart.to_start else 0,
            )

    def look(self) -> None:
        """Do what can be done now; another thread that is at it does it instead."""
        with self._lock:
            self._is_to_look = True
            if self._is_at_it:
                return
            self._is_at_it = True
        try:
            while self._looks_again():
                self._go_round()
        except BaseException:
            self._is_at_it = False
            raise

    def _looks_again(self) -> bool:
        with self._lock:
            self._is_at_it = again = self._is_to_look
            self._is_to_look = False
            return again

    def _go_round(self) -> None:
        while True:
            with self._lock:
                news, self._news = self._news, []
                step = self._next_step()
            for key, reason, message in news:
                self._listener.announce(key, reason, message)
            if step is None:
                return
            self._take(step)

    def _next_step(self) -> GroupStep | None:
        now = self._clock.monotonic_ms()
        self._restart, step = groups.advance(self._restart, self._standing, now)
        waits_ms = self._restart.due_ms - now
        if step is None and self._restart.to_start and not self._restart.to_stop and waits_ms > 0:
            self._arm(waits_ms)
        return step

    def _standing(self, key: DeploymentKey) -> Standing:
        found = self._members[key].find()
        return Standing() if found is None else found.standing

    def _take(self, step: GroupStep) -> None:
        member = self._members.get(step.key)
        found = member.find() if member is not None else None
        if member is None or found is None:  # it has left
            return
        match step.verb:
            case GroupVerb.STOP:
                found.tell_all(LifeEvent.PAUSE)
            case GroupVerb.GIVE_UP:
                found.tell_all(LifeEvent.DISMISS)
            case GroupVerb.START:
                found.tell_all(LifeEvent.GO_ON)
        if not self._has(member):  # it left meanwhile, and nobody would start it again
            found.tell_all(LifeEvent.GO_ON)

    def _has(self, member: Member) -> bool:
        with self._lock:
            now = self._members.get(member.key)
            return now is not None and now.identity == member.identity

    def _arm(self, delay_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(delay_ms, self.look)

    def _begin_anew(self) -> None:
        self._failures.clear()
        for key in self._restart.to_stop:
            name = self._members[key].said.name
            self._news.append((key, "group-restart", f"stops and starts again with its group {name}, as asked"))
        self._restart = groups.revived([*self._members], self._restart)


class GroupMembership:
    """The group, as the instances of one member see it."""

    def __init__(self, supervisor: GroupSupervisor) -> None:
        self._supervisor = supervisor

    def escalate(self, failure: InstanceFailure, *, again: bool) -> Decision:
        """Say what follows a failure, or follows it `again` under an edited policy."""
        return self._supervisor.escalate(failure, again=again)

    def look(self) -> None:
        """Do what can be done now."""
        self._supervisor.look()

    def revive(self) -> bool:
        """Start the whole group again if it gave up; whether it had."""
        return self._supervisor.revive()

    def observe(self) -> ObservedGroup | None:
        """Describe the group."""
        return self._supervisor.observe()

"""The executor's view of a rollout's two sets."""

from orchestrator.model.base import Value


class Facts(Value, frozen=True):
    """An observation made after the rollout's present shape was applied.

    `wanted` is how many instances the new set should have, `ready` and `old_ready` how many of each set are ready
    now. `gave_up`: the supervisor starts an instance of the new set no more, which never was ready or kept crashing.
    `unhealthy`: a new instance that had been ready has crashed, or says that it is unhealthy, since the previous
    tick. `failed_start` is why the new set's last failed start failed, empty if none did. `old_drained`: the old set
    takes no messages any more (it has no weight, or messages are held) and none is in progress on it. `old_asks`:
    an instance of it waits for an answer to a request of its own, or is at work on one. `old_gone` and `new_gone`: no
    instance of the set is left. `new_messages` and `new_errors` are the new revision's own counters;
    they may start again from 0 with the agent.
    """

    wanted: int
    ready: int
    old_ready: int
    gave_up: bool
    unhealthy: bool
    failed_start: str
    old_drained: bool
    old_asks: bool
    old_gone: bool
    new_gone: bool
    new_messages: int
    new_errors: int

    @property
    def is_ready(self) -> bool:
        """Whether the whole new set is ready and nothing of it has failed since it was."""
        return self.ready >= self.wanted and not self.unhealthy and not self.gave_up

    @property
    def breakage(self) -> str:
        """Why the new set, having been ready, can no longer be relied on; empty if it can."""
        if self.gave_up:
            return "the supervisor gave up on the new version" + self.because
        return "the new version became unhealthy" + self.because if self.unhealthy else ""

    @property
    def because(self) -> str:
        """The last failed start as the end of a sentence."""
        return f": {self.failed_start}" if self.failed_start else ""

"""What follows an exit: restart type × exit kind × recent restarts, as a whole."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.spec import Backoff, RestartPolicy, RestartType
from orchestrator.supervise.policy import Forget, GiveUp, RestartAfter, backoff_ms, decide, shortened

NOW = 1_000_000
BACKOFF = Backoff(initial_ms=100, factor=2.0, max_ms=1_000)
POLITE = (ExitKind.NORMAL, ExitKind.KILLED)
WINDOWS = {
    "none": ((), 0),
    "one recent": ((NOW - 1,), 1),
    "two recent": ((NOW - 59_999, NOW - 1), 2),
    "as many as allowed": ((NOW - 3, NOW - 2, NOW - 1), 3),
    "more, but long ago": ((NOW - 60_000, NOW - 70_000, NOW - 80_000, NOW - 90_000), 0),
    "the oldest just left the window": ((NOW - 60_000, NOW - 2, NOW - 1), 2),
}


@pytest.mark.parametrize(("restart", "kind", "window"), list(itertools.product(RestartType, ExitKind, WINDOWS)))
def test_every_exit_has_the_answer_of_its_restart_type_and_window(restart, kind, window):
    times, recent = WINDOWS[window]
    policy = RestartPolicy(type=restart, intensity=3, period_ms=60_000, backoff=BACKOFF)
    decision = decide(ExitReason(kind=kind, detail="d"), policy, times, NOW)
    if kind in (ExitKind.CANCELLED, ExitKind.HOST_FAULT):
        assert decision == RestartAfter(0 if kind is ExitKind.CANCELLED else 100, counts=False)
        return
    missed = restart is RestartType.PERMANENT or (restart is RestartType.TRANSIENT and kind not in POLITE)
    if not missed:
        assert decision == Forget()
    elif recent >= 3:
        assert isinstance(decision, GiveUp)
        assert f"{kind.value}: d" in decision.reason
        assert "3 restarts within 60s" in decision.reason
    else:
        assert decision == RestartAfter(100 * 2**recent)


def test_waits_after_faults_of_the_host_grow_and_nothing_is_given_up_for_them():
    policy, fault = RestartPolicy(intensity=0, backoff=BACKOFF), ExitReason(kind=ExitKind.HOST_FAULT)
    waits = [decide(fault, policy, (), NOW, faults_ms=[NOW - 1] * earlier) for earlier in (0, 1, 2, 100)]
    assert waits == [RestartAfter(wait, counts=False) for wait in (100, 200, 400, 1_000)]


def test_faults_of_the_host_do_not_bring_a_guest_nearer_to_being_given_up():
    policy, trap = RestartPolicy(intensity=1, backoff=BACKOFF), ExitReason(kind=ExitKind.TRAPPED)
    assert decide(trap, policy, (), NOW, faults_ms=[NOW - 1] * 9) == RestartAfter(100)


def test_with_an_intensity_of_zero_the_first_exit_is_the_last():
    policy = RestartPolicy(intensity=0, backoff=BACKOFF)
    assert isinstance(decide(ExitReason(kind=ExitKind.TRAPPED), policy, (), NOW), GiveUp)


@pytest.mark.parametrize(
    ("jitter", "chance", "wait"), [(0.0, 0.99, 200), (0.1, 0.0, 200), (0.1, 0.5, 190), (1.0, 0.5, 100)]
)
def test_chance_takes_a_part_of_the_jitters_share_off_the_wait(jitter, chance, wait):
    policy = RestartPolicy(backoff=Backoff(initial_ms=100, factor=2.0, max_ms=1_000, jitter=jitter))
    assert decide(ExitReason(kind=ExitKind.TRAPPED), policy, (NOW - 1,), NOW, chance) == RestartAfter(wait)


@given(st.integers(0, 10**8), st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_a_shortened_wait_lies_between_its_least_and_itself(wait, jitter, chance):
    assert int(wait * (1 - jitter)) <= shortened(wait, jitter, chance) <= wait


@given(st.integers(1, 10**6), st.floats(1, 1e6), st.integers(1, 10**6), st.integers(0, 10**4))
def test_a_wait_never_shrinks_and_never_passes_its_maximum(initial, factor, most, attempt):
    backoff = Backoff(initial_ms=initial, factor=factor, max_ms=most)
    wait, next_wait = backoff_ms(backoff, attempt), backoff_ms(backoff, attempt + 1)
    assert min(initial, most) <= wait <= next_wait <= most

"""The life of an instance, for every phase and every event."""

import itertools

import pytest

from orchestrator.model.observed import Phase
from orchestrator.supervise.lifecycle import TABLE, Event, Impossible, diagram, next_phase

# Written out once more, on purpose: a changed table has to be changed in two places, by somebody who means it.
P, E = Phase, Event
LIFE = {
    P.INSTALLED: {E.START: P.STARTING, E.STOP: P.STOPPED},
    P.STARTING: {E.STARTED: P.RUNNING, E.EXITED: P.FAILED, E.STOP: P.STOPPING},
    P.RUNNING: {E.EXITED: P.FAILED, E.UPDATE: P.UPDATING, E.STOP: P.STOPPING},
    P.UPDATING: {E.UPDATED: P.RUNNING, E.EXITED: P.FAILED, E.STOP: P.STOPPING},
    P.STOPPING: {E.EXITED: P.STOPPED, E.STARTED: P.STOPPING, E.STOPPED: P.STOPPED},
    P.STOPPED: {E.START: P.STARTING, E.RETRY_LATER: P.BACKING_OFF, E.GIVE_UP: P.GAVE_UP},
    P.FAILED: {E.RETRY_LATER: P.BACKING_OFF, E.GIVE_UP: P.GAVE_UP, E.STOPPED: P.STOPPED, E.STOP: P.STOPPED},
    P.BACKING_OFF: {
        E.BACKOFF_OVER: P.STARTING,
        E.GIVE_UP: P.GAVE_UP,
        E.STOPPED: P.STOPPED,
        E.STOP: P.STOPPED,
    },
    P.GAVE_UP: {E.START: P.STARTING, E.STOP: P.STOPPED},
}


@pytest.mark.parametrize(("phase", "event"), list(itertools.product(Phase, Event)))
def test_every_event_leads_from_every_phase_where_it_should_or_is_refused(phase, event):
    expected = LIFE[phase].get(event)
    if expected is None:
        with pytest.raises(Impossible, match=f"{event.value} cannot happen to an instance that is {phase.value}"):
            next_phase(phase, event)
    else:
        assert next_phase(phase, event) is expected


def test_every_phase_can_be_reached_and_can_be_stopped():
    reached = {Phase.INSTALLED, *TABLE.values()}
    assert reached == set(Phase)
    for phase in set(Phase) - {Phase.STOPPED, Phase.STOPPING}:
        assert next_phase(phase, Event.STOP) in (Phase.STOPPED, Phase.STOPPING)


def test_the_diagram_shows_every_change_of_phase():
    drawn = diagram()
    changes = {(a.value, b.value) for (a, _), b in TABLE.items() if a is not b}
    for before, after in changes:
        assert f"{before.replace('-', '_')} --> {after.replace('-', '_')}" in drawn

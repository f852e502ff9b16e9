"""At which states worth telling a deployment arrives, and what it makes of its source's commit."""

import pytest

from orchestrator.model.message import Health
from orchestrator.model.observed import Barred, Hold, Phase
from orchestrator.model.rollout import RolloutPhase
from orchestrator.notify.transitions import member_of, standing_of
from tests.agent.test_describe import (
    HELD_NEW,
    JOB,
    NEW,
    NEXT_JOB,
    OLD,
    both,
    deployment,
    down,
    instance,
    of,
    record,
    rejected,
    rolling,
)

BY_HAND = Hold(revision=NEW.revision.id, reason="rolled back", at_ms=5)
BARRED = Barred(revision=OLD.revision.id, reason="a policy", at_ms=5)
PAUSED = rolling(RolloutPhase.PAUSED, step=1)
ALL = (*both(), *both(of=NEW))
STATES = [  # what is observed; the word and the revision told of; whether it is well for its source
    (of(record(), both()), ("deployment-ready", OLD), True),
    (of(record(), (*both(),), fault="a damaged row"), ("deployment-failed", OLD), False),
    (of(record(), (instance("0"), down(Phase.BACKING_OFF, "1"))), None, None),  # it starts again
    (of(record(), (down(Phase.GAVE_UP), down(Phase.GAVE_UP, "1"))), ("deployment-failed", OLD), False),
    (of(record(), both(health=Health.DEGRADED)), ("deployment-degraded", OLD), True),
    (of(record(OLD, NEW, rollout=rolling(RolloutPhase.PROGRESSING)), ALL), None, None),
    (of(record(OLD, NEW, rollout=PAUSED), ALL), ("rollout-paused", NEW), None),
    (of(HELD_NEW, both()), ("rolled-back", NEW), False),
    (of(record(OLD, NEW, held=BY_HAND), both()), ("held", NEW), False),
    (of(record(None, OLD, rejected=rejected(OLD, "x"))), ("deployment-failed", OLD), False),
    (of(record(deployment("1.0.0", suspend=True))), None, True),
    (of(record(barred=BARRED)), None, False),
    (of(record(deleted=True), both()), None, None),
    (of(record(JOB)), ("deployment-ready", JOB), True),
    (of(record(JOB, NEXT_JOB, rejected=rejected(NEXT_JOB, "exit code 1"))), ("deployment-failed", NEXT_JOB), False),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "told", "is_well"), STATES)
def test_a_deployment_at_rest_is_told_of_and_one_in_between_is_not(seen, told, is_well):
    standing = standing_of(seen, "why")
    found = (standing.transition.value, standing.revision) if standing is not None else None
    assert found == (None if told is None else (told[0], told[1].revision.id))
    assert member_of(seen, seen.record.wanted.revision.id, "why").is_well is is_well


def test_what_is_not_there_yet_or_wanted_otherwise_is_open():
    assert member_of(None, "r", "").is_well is None
    assert member_of(of(record(), both()), NEW.revision.id, "").is_well is None


def test_a_sentence_says_what_is_good_of_it():
    told = [standing_of(seen, "") for seen in (of(record(), both()), of(record(JOB)))]
    assert [standing.sentence for standing in told] == ["1.0.0 is Ready", "1.0.0 has succeeded"]

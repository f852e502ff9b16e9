"""The first use and the first denial are told at once, and denials counted from then on."""

from orchestrator.audit.uses import Uses
from orchestrator.model.ids import DeploymentKey

A, B = (DeploymentKey(namespace="default", name=name) for name in "ab")


def facts(notes):
    return [(note.kind, note.subject, note.facts) for note in notes]


def test_a_capability_is_told_once_for_each_revision_that_uses_it():
    uses = Uses()
    for revision in ("r1", "r1", "r2"):
        uses.used(A, revision, "storage.read", "self")
    told = uses.take()
    assert [(note.kind, note.facts["revision"]) for note in told] == [("grant-used", "r1"), ("grant-used", "r2")]
    uses.used(A, "r1", "storage.read", "self")
    assert uses.take() == []


def test_the_first_denial_is_told_and_the_rest_counted():
    woken = []
    uses = Uses(lambda: woken.append(1))
    for n in range(5):
        uses.denied(A, "messaging.send", f"default/x{n}")
    uses.denied(B, "messaging.send", "default/x")
    assert len(woken) == 2
    (first, other) = facts(uses.take())
    wanted = {"capability": "messaging.send", "on": "default/x0", "times": "5", "total": "5"}
    assert first == ("denied", "default/a", wanted)
    assert other[2]["times"] == "1"
    uses.denied(A, "messaging.send", "default/y")
    assert uses.take() == []  # its time has not come
    assert facts(uses.take(is_last=True)) == [("denied", "default/a", wanted | {"times": "1", "total": "6"})]


def test_what_could_not_be_told_is_told_later():
    uses = Uses()
    uses.denied(A, "storage.read", "self")
    notes = uses.take()
    uses.give_back(notes)
    assert uses.take() == notes


def test_a_deployment_that_is_gone_is_forgotten_once_its_counts_are_told():
    uses = Uses()
    uses.used(A, "r1", "storage.read", "self")
    uses.denied(A, "storage.write", "self")
    uses.forget(A)
    assert len(uses.take()) == 2
    uses.forget(A)
    uses.denied(A, "storage.write", "self")
    assert facts(uses.take())[0][2]["total"] == "1"

from orchestrator.host.context import ANSWERS_MAX, GuestContext
from orchestrator.host.messaging import may_reach
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.spec import Grant, Limits, Revision

SENDS = (Grant(capability="messaging.send", patterns=("b",)),)
A, B = ComponentId("default", "a", "0"), DeploymentKey("default", "b")


def context(granted, in_force):
    limits = Limits(memory_bytes=1, fuel=1, timeout_ms=1)
    revision = Revision(
        id="0", component="", version="", artifact="", stateful=False, config="", grants=granted, limits=limits
    )
    return GuestContext(A, revision, in_force, lambda *_: None)


def test_both_the_revision_and_the_source_have_to_grant():
    assert may_reach(context(SENDS, lambda: SENDS), B)
    assert may_reach(context(SENDS, lambda: None), B)  # before any source said
    assert not may_reach(context(SENDS, tuple), B)
    assert not may_reach(context((), lambda: SENDS), B)


def test_what_the_source_takes_away_and_gives_back_acts_at_once():
    wish = [SENDS]
    one = context(SENDS, lambda: wish[0])
    seen = []
    for wish[0] in (SENDS, (), SENDS, None, ()):
        seen += [may_reach(one, B), may_reach(one, B)]

    assert seen == [True, True, False, False, True, True, True, True, False, False]


def test_decides_each_question_once_while_the_same_is_granted():
    asked = []
    one = context(SENDS, lambda: SENDS)
    for question in ("x", "x", B, B, "x"):
        one.allows(question, lambda grants, question=question: asked.append(question) or True)

    assert asked == ["x", "x", B, B]  # of the revision's grants and of the source's


def test_a_guest_that_asks_for_ever_more_targets_takes_no_more_memory():
    one = context(SENDS, lambda: SENDS)
    for number in range(3 * ANSWERS_MAX):
        assert not may_reach(one, DeploymentKey("default", f"c{number}"))

    assert len(one._answers) <= ANSWERS_MAX
    assert may_reach(one, B)

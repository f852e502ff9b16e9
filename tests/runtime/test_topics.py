"""What an instance is told of the topic of what it is at work on, on both paths, and when it is said to have ended."""

import pytest

from orchestrator.model.message import Exited, Mail, Message
from orchestrator.runtime import Direct, Start, digest_of_bytes, start_here
from orchestrator.runtime.engine.host_import import Current
from tests.runtime.guests import FAULTY, ID, SENDER, limits, message, revision, told


class Stage:
    """A guest whose host functions see what it is at work on, what it logged, and how often it was said to end."""

    def __init__(self, make_runtime, config: str = "{}", **given: int) -> None:
        self.log: list = []
        self.current = Current()
        self.ends: list[str] = []
        data = FAULTY.read_bytes()
        loaded = make_runtime(told(self.log)).load(digest_of_bytes(data), lambda: data)
        self.started = start_here(Start(
            ID, revision(limits(**given), config=config), loaded, self.current,
            current=self.current, ended=lambda: self.ends.append("ended"),
        ))  # fmt: skip

    @property
    def guest(self) -> Direct:
        assert isinstance(self.started, Direct), self.started
        return self.started

    @property
    def heard(self) -> list[str]:
        return [line[1] for line in self.log]


def mail(topic: str | None, *texts: str) -> Mail:
    return Mail(SENDER, [text.encode() for text in texts], 0, topic=topic)


@pytest.fixture
def stage(make_runtime) -> Stage:
    return Stage(make_runtime)


def test_a_topic_is_told_for_the_message_that_has_one_and_no_other(stage: Stage):
    for sent in (message("heard 1", topic="a.b"), message("heard 2"), message("heard 3", topic="c")):
        stage.guest.handle(sent)
    assert stage.heard == ["a.b: 1", "none: 2", "c: 3"]
    assert stage.current.topic is None


def test_messages_handled_together_are_told_their_own_topics(stage: Stage):
    sent = [
        mail("a", "heard 1", "heard 2"),
        mail("b", "heard 3"),
        mail(None, "heard 4", "heard 5"),
        mail("a", "heard 6"),
    ]
    assert len(stage.guest.handle_many(sent).outcomes) == 6
    assert stage.heard == ["a: 1", "a: 2", "b: 3", "none: 4", "none: 5", "a: 6"]


@pytest.mark.parametrize("end", ["trap", "loop"])
def test_a_message_that_ends_the_instance_leaves_no_topic(make_runtime, end: str):
    stage = Stage(make_runtime, fuel=10_000_000)
    assert isinstance(stage.guest.handle(message(end, topic="a")), Exited)
    assert stage.current.topic is None


def test_an_instance_is_said_to_have_ended_when_it_is_closed(stage: Stage):
    assert stage.ends == []
    stage.guest.close()
    assert stage.ends


def test_an_instance_that_subscribed_and_then_refused_to_start_has_ended_too(make_runtime):
    stage = Stage(make_runtime, config='{"initialize":"err no"}')
    assert isinstance(stage.started, Exited)
    assert stage.ends


def test_what_is_alike_but_for_the_topic_does_not_share_a_batch():
    assert not mail("a", "x").is_like(mail("b", "x"))
    assert not mail("a", "x").is_like(mail(None, "x"))
    assert mail("a", "x").is_like(mail("a", "y"))
    assert mail("a", "x").message(0) == Message(SENDER, b"x", 0, topic="a")

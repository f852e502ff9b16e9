import threading

import pytest

from orchestrator.model.snapshot import KnownEmpty, Snapshot, Unknown
from orchestrator.source.reader import SourceReader

LIMIT_S = 30.0


class Place:
    """Something to read, which takes as long as the test wants; counts how often it is read."""

    def __init__(self):
        self.begun, self.may_end, self.answered = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
        self.reads = 0

    def read(self, _changed, _more):
        self.reads += 1
        self.begun.release()
        assert self.may_end.acquire(timeout=LIMIT_S)
        return KnownEmpty(Snapshot("place", "/", str(self.reads), "", (), {}))


@pytest.fixture
def place():
    return Place()


@pytest.fixture
def reader(place):
    made = SourceReader("place", place.read, place.answered.release, lambda: 7)
    yield made
    made.close()
    place.may_end.release()


def test_asking_and_taking_wait_for_no_read(place, reader):
    reader.ask()
    assert place.begun.acquire(timeout=LIMIT_S)
    reader.ask()
    assert reader.take() is None
    place.may_end.release()
    assert place.answered.acquire(timeout=LIMIT_S)
    assert reader.take().snapshot.root_reason == "1"
    assert reader.take() is None


def test_what_is_asked_for_during_a_read_is_read_again_once(place, reader):
    reader.ask()
    assert place.begun.acquire(timeout=LIMIT_S)
    for _ in range(3):
        reader.ask()
    place.may_end.release(2)
    for _ in range(2):
        assert place.answered.acquire(timeout=LIMIT_S)
    assert reader.take().snapshot.root_reason == "2"
    assert place.reads == 2


def test_an_answer_that_comes_after_the_end_is_dropped(place, reader):
    reader.ask()
    assert place.begun.acquire(timeout=LIMIT_S)
    reader.close()
    place.may_end.release()
    reader._thread.join(LIMIT_S)
    assert not reader._thread.is_alive()
    assert reader.take() is None
    assert not place.answered.acquire(blocking=False)


def test_a_bug_in_reading_is_an_answer_and_is_tried_again(caplog):
    answered = threading.Semaphore(0)

    def fail(_changed, _more):
        raise KeyError("lost")

    reader = SourceReader("place", fail, answered.release, lambda: 7)
    for _ in range(2):
        reader.ask()
        assert answered.acquire(timeout=LIMIT_S)
        answer = reader.take()
        assert isinstance(answer, Unknown)
        assert "KeyError" in answer.failure.detail
    reader.close()
    assert "KeyError" in caplog.text


def test_a_question_is_answered_by_a_reading_that_began_after_it(place, reader):
    first = reader.ask()
    assert place.begun.acquire(timeout=LIMIT_S)
    second = reader.ask()  # while that one is under way
    place.may_end.release()
    assert place.answered.acquire(timeout=LIMIT_S)
    assert reader.taken < first
    assert reader.take() is not None
    assert first <= reader.taken < second
    place.may_end.release()
    assert place.answered.acquire(timeout=LIMIT_S)
    assert reader.take() is not None
    assert reader.taken >= second

"""A folder is answered once it holds still; files are real, and the time between two looks is what happens in it."""

import pytest

from orchestrator.model.snapshot import Content, Known, Snapshot, SourceFailure, Unknown
from orchestrator.source.folder import FolderSource
from orchestrator.source.settled import QUIET_MAX_S, QUIET_S, SettledSource, is_settled
from orchestrator.source.spec import parse_source
from tests.source.conftest import references, write

MANIFEST = "app/manifests/a.yaml"


@pytest.fixture
def settling(project, artifacts):
    """Make a settled source of the project's folder; between two looks, the next of `meanwhile` happens."""

    def make(*meanwhile):
        rest, waits = list(meanwhile), []

        def wait(seconds):
            waits.append(seconds)
            if rest:
                return rest.pop(0)()
            return False

        spec = parse_source(str(project / "app/manifests"), root=str(project), cwd=project)
        source = SettledSource(FolderSource(spec, references, artifacts).glance, wait)
        source.waits = waits
        return source

    return make


def text(answer):
    return answer.snapshot.files[MANIFEST].data.decode()


def test_what_is_half_written_is_waited_for(project, settling):
    steps = ["half", "half and", "half and whole"]
    source = settling(*((lambda step=step: write(project / MANIFEST, step) is None) for step in steps))
    write(project / MANIFEST, "ha")
    assert text(source.read()) == "half and whole"
    assert source.waits == [QUIET_S * 2**n for n in range(4)]


def test_a_file_that_is_saved_after_the_others_is_waited_for(project, settling):
    source = settling(lambda: write(project / "app/manifests/b.yaml", "b") is None)
    assert source.read().snapshot.manifests == (MANIFEST, "app/manifests/b.yaml")


def test_what_was_answered_before_needs_no_second_look(project, settling):
    source = settling()
    first = source.read()
    assert len(source.waits) == 1
    write(project / MANIFEST, text(first))
    assert is_settled(source.read().snapshot, first.snapshot)
    assert len(source.waits) == 1
    write(project / MANIFEST, "another")
    assert text(source.read()) == "another"
    assert len(source.waits) == 2


def test_what_cannot_be_read_is_answered_at_once_and_what_comes_back_is_looked_at_twice(project, settling):
    source = settling()
    source.read()
    (project / "app/manifests").rename(project / "away")
    assert isinstance(source.read(), Unknown)
    assert len(source.waits) == 1
    (project / "away").rename(project / "app/manifests")
    assert isinstance(source.read(), Known)
    assert len(source.waits) == 2


def test_what_never_holds_still_is_looked_at_less_and_less_until_nobody_wants_it(project, settling):
    def written(number):
        write(project / MANIFEST, str(number))
        return number == 9

    source = settling(*((lambda number=number: written(number)) for number in range(10)))
    source.read()
    assert source.waits[-1] == QUIET_MAX_S


def test_equal_contents_are_settled_and_others_are_not(project, read):
    first = read(project / "app/manifests", project).snapshot
    assert is_settled(first, read(project / "app/manifests", project).snapshot)
    write(project / "app/components/hello/hello.wasm", "wasm 2")
    changed = read(project / "app/manifests", project).snapshot
    assert not is_settled(first, changed)
    write(project / "app/manifests/b.yaml", "x")
    assert not is_settled(changed, read(project / "app/manifests", project).snapshot)


def scripted(*answers):
    """Read what is said here, one answer after the other; no time passes between two looks."""
    rest = list(answers)
    return rest, SettledSource(lambda _: rest.pop(0), lambda _seconds: False)


def known(text):
    files = {MANIFEST: Content(text.encode())}
    return Known(Snapshot("/srv", "/srv", "", "app/manifests", tuple(files), files))


GONE = Unknown(SourceFailure(source="/srv", summary="it is not there"))


def test_a_folder_is_answered_once_two_looks_agree():
    rest, source = scripted(known("1"), known("1"), known("1"), known("2"), known("23"), known("234"), known("234"))
    assert [source.read() for _ in range(3)] == [known("1"), known("1"), known("234")]
    assert rest == []


def test_an_unreadable_moment_between_two_looks_begins_them_anew():
    rest, source = scripted(known("1"), GONE, known("1"), known("1"))
    assert [source.read() for _ in range(2)] == [GONE, known("1")]
    assert rest == []

"""What is told of compilations: of those that take long enough to be looked at."""

from orchestrator.agent.compilations import Compilations
from orchestrator.model.compiling import SHOWN_BYTES, Compiling


def told() -> tuple[Compilations, list[tuple[object, str, str]]]:
    events: list[tuple[object, str, str]] = []
    return Compilations(lambda key, reason, message: events.append((key, reason, message))), events


def test_a_large_component_is_shown_while_it_is_compiled_and_told_at_both_ends():
    compilations, events = told()
    compilations.heard(Compiling(artifact="sha256:a", size_bytes=3 << 20, name="default/model"))
    shown = compilations.of("sha256:a")
    assert shown is not None
    assert (shown.artifact, shown.size_bytes) == ("sha256:a", 3 << 20)
    assert shown.elapsed_ms >= 0
    compilations.heard(Compiling(artifact="sha256:a", size_bytes=3 << 20, name="default/model", took_s=2.04))
    assert compilations.of("sha256:a") is None
    assert events == [
        (None, "compiling", "default/model (3.0 MiB)"),
        (None, "compiling", "default/model (3.0 MiB): over after 2.0 s"),
    ]


def test_a_small_component_is_done_before_anybody_could_look():
    compilations, events = told()
    compilations.heard(Compiling(artifact="sha256:a", size_bytes=SHOWN_BYTES - 1))
    compilations.heard(Compiling(artifact="sha256:a", size_bytes=SHOWN_BYTES - 1, took_s=0.1))
    assert (compilations.of("sha256:a"), events) == (None, [])


def test_one_without_a_name_is_told_by_its_digest_and_others_are_not_confused_with_it():
    compilations, events = told()
    compilations.heard(Compiling(artifact="sha256:a", size_bytes=SHOWN_BYTES))
    assert events[0][2].startswith("sha256:a (")
    assert compilations.of("sha256:b") is None
    compilations.heard(Compiling(artifact="sha256:b", size_bytes=SHOWN_BYTES, took_s=1.0))  # whose begin nobody heard
    assert compilations.of("sha256:a") is not None

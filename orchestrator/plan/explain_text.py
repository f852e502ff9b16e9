"""An Explanation → lines of styled segments for people, each fact under the question that it answers."""

from collections.abc import Iterator

from orchestrator.plan.explain import Explanation, RunningSide, WantedSide
from orchestrator.plan.text import DEFAULT_WIDTH, INDENT, Line, Segment, Style, action_lines, printable

LABEL = 10


def explained_lines(told: Explanation) -> Iterator[Line]:
    """Write the whole story of one deployment."""
    yield (Segment(printable(f"{told.namespace}/{told.name}"), Style.HEADING),)
    yield _fact("wanted", _wanted(told.wanted))
    if told.wanted is not None and told.wanted.commit is not None:
        yield _fact("commit", str(told.wanted.commit))
    yield from (_fact(name, text) for name, text in _running(told.running) if text)
    yield _fact("why", told.why)
    if told.actions:
        yield ()
        yield from action_lines(told.actions, DEFAULT_WIDTH - len(INDENT))
    yield from _listed("to unblock", told.unblock)
    yield from _numbered("what will happen", told.steps)
    yield from _listed("also", tuple(f"{each.location}: {each.summary}" for each in told.diagnostics))


def _fact(name: str, text: str) -> Line:
    return Segment(name.ljust(LABEL), Style.DIM), Segment(printable(text))


def _wanted(side: WantedSide | None) -> str:
    if side is None:
        return "nothing"
    place = f", {side.file}:{side.line}" if side.file else ""
    return f"{side.version} of {side.component} ({side.revision[:10]}){place}"


def _running(side: RunningSide | None) -> Iterator[tuple[str, str]]:
    if side is None:
        yield "running", "nothing: it is not deployed"
        return
    serves = f"{side.version} of {side.component} ({side.revision[:10]})" if side.version else "nothing serves yet"
    ready = f", {side.ready} of {side.replicas} Ready" if side.ready is not None and side.version else ""
    yield "running", f"{serves}, {side.phase}{ready}"
    yield "rollout", side.rolling_out
    yield "held", side.held
    yield "fault", side.fault


def _listed(title: str, told: tuple[str, ...]) -> Iterator[Line]:
    if told:
        yield ()
        yield (Segment(title, Style.HEADING),)
        yield from ((Segment(f"  - {printable(each)}"),) for each in told)


def _numbered(title: str, told: tuple[str, ...]) -> Iterator[Line]:
    if told:
        yield ()
        yield (Segment(title, Style.HEADING),)
        yield from ((Segment(f"  {n}. {printable(each)}"),) for n, each in enumerate(told, 1))

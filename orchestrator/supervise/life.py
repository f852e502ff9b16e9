"""The life of an instance as one table: (state, event) → (state, effects). Pure; `instance.py` carries the effects out.

A state says who has the guest: nobody yet, the route (idle, at work), a job of the instance's own (a start, a check, an
answer, a goodbye), or nobody any more. While the instance is told to end, `Then` says what follows its end. Every pair
of a state and an event is in `TABLE`, in `IGNORED` (nothing is done, and why), or in `IMPOSSIBLE` (a bug of ours).

The ordinary message goes round without this table: `IDLE → AT_WORK → IDLE` is done by the route under its own lock, and
the instance is told of nothing (`mailbox_side.py`). An instance therefore notes `IDLE` for both, and asks the route for
the guest (`Route.claim`) where an event concerns it; the answer tells which of the two it is.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import product
from typing import NamedTuple

from orchestrator.model.observed import Phase


class State(Enum):
    """A place in an instance's life, and who has its guest."""

    INSTALLED = "installed"  # made, and not told to start
    QUEUED = "queued"  # its turn to start has not come
    LOADING = "loading"  # a guest is loaded, and asked how it is
    IDLE = "idle"  # Ready; the route has it
    AT_WORK = "at-work"  # Ready; a message, a batch or a call has the guest
    OVERDUE = "overdue"  # Ready; at work, and to be checked before anything else
    CHECKING = "checking"  # Ready so far; asked how it is
    ANSWERING = "answering"  # Ready; an answer to a request of its own has the guest
    UNREADY = "unready"  # found unhealthy; nobody has the guest, and the route does not give it messages
    UNREADY_OVERDUE = "unready-overdue"
    UNREADY_CHECKING = "unready-checking"
    UNREADY_ANSWERING = "unready-answering"
    ABANDONED = "abandoned"  # told to end before its turn to start came
    DRAINING = "draining"  # told to end, and a job still has the guest
    PARTING = "parting"  # told to end, and saying goodbye
    FAILED = "failed"  # exited; the same step decides what follows
    BACKING_OFF = "backing-off"
    STANDING_BY = "standing-by"  # waits for its group
    GAVE_UP = "gave-up"
    ENDED = "ended"  # not missed
    LEFT = "left"  # told to end for good, and has

    __hash__ = object.__hash__  # as a key of the table by what it is: Enum's own is Python code

    @property
    def phase(self) -> Phase:
        """The phase that others see."""
        return _PHASES[self]

    @property
    def ready(self) -> bool:
        """Whether it takes messages."""
        return self in READY


class LifeEvent(Enum):
    """An event in the life of an instance."""

    START = "start"
    STOP = "stop"  # told to end for good
    RESTART = "restart"  # told to end and start anew, with a clean record
    PAUSE = "pause"  # told to end by its group, which starts it again
    DISMISS = "dismiss"  # told to end by its group, which gave up
    GO_ON = "go-on"  # told to start by its group
    TURN = "turn"  # its turn to start has come
    FOUND_WELL = "found-well"
    FOUND_ILL = "found-ill"
    MESSAGE = "message"
    DONE = "done"  # the work that had the guest is over, and the instance goes on
    DONE_ANSWER_NEXT = "done-answer-next"  # a message is over, and an answer waits, whose turn it is
    ANSWER = "answer"  # an answer to a request of its own waits
    CHECK_DUE = "check-due"
    EXITED = "exited"
    PARTED = "parted"  # said goodbye
    RETRY = "retry"  # these four are decided of a failure, or decided anew under an edited policy
    STAND_BY = "stand-by"
    GIVE_UP = "give-up"
    FORGET = "forget"
    BACKOFF_OVER = "backoff-over"

    __hash__ = object.__hash__


class Then(Enum):
    """The sequel to the end of an instance that was told to end."""

    LEAVE = "leave"
    RESTART = "restart"
    STAND_BY = "stand-by"
    GIVE_UP = "give-up"


class Effect(Enum):
    """An act because of an event. Those of `NOTES` are done in the same step as it, the others after it."""

    DISARM = "disarm its timer"
    ARM_CHECK = "arm the timer of its next check"
    ARM_BACKOFF = "arm the timer of its back-off"
    LIMIT_STOP = "arm the timer that interrupts its guest"
    CLEAR_RECORD = "forget its failures"
    COUNT_FAILURE = "count its failure"
    COUNT_RESTART = "count a restart"
    START = "queue its start"
    OFFER = "offer it to the route"
    CHECK = "ask it how it is"
    ANSWER = "give it an answer"
    LOOK = "give it an answer if one waits"
    PART = "let it say goodbye"
    TELL = "tell its set"

    __hash__ = object.__hash__


NOTES = frozenset({
    Effect.DISARM, Effect.ARM_CHECK, Effect.ARM_BACKOFF, Effect.LIMIT_STOP, Effect.CLEAR_RECORD, Effect.COUNT_FAILURE,
    Effect.COUNT_RESTART,
})  # fmt: skip


class Life(NamedTuple):
    """A state, and what follows it once it was told to end; None in every other state."""

    state: State
    then: Then | None = None


class Step(NamedTuple):
    """The state that an event leads to, and the effects; without a state, `FOLLOWS` leads to one."""

    state: State | None
    effects: tuple[Effect, ...] = ()


class Impossible(Exception):
    """An event that cannot happen in this state: a bug of ours."""


S, E, F = State, LifeEvent, Effect
Rows = dict[tuple[State, LifeEvent], Step]
Pairs = tuple[frozenset[State], frozenset[LifeEvent], str]

_TOLD = {E.STOP: Then.LEAVE, E.RESTART: Then.RESTART, E.PAUSE: Then.STAND_BY, E.DISMISS: Then.GIVE_UP}
ENDINGS = frozenset(_TOLD)  # the events that tell it to end
READY = frozenset({S.IDLE, S.AT_WORK, S.OVERDUE, S.CHECKING, S.ANSWERING})
UNREADY = frozenset({S.UNREADY, S.UNREADY_OVERDUE, S.UNREADY_CHECKING, S.UNREADY_ANSWERING})
RUNNING = READY | UNREADY
FREE = frozenset({S.IDLE, S.UNREADY})  # nobody uses the guest
CHECKED = frozenset({S.CHECKING, S.UNREADY_CHECKING})
ANSWERED = frozenset({S.ANSWERING, S.UNREADY_ANSWERING})
WAITING = frozenset({S.OVERDUE, S.UNREADY_OVERDUE})
STOPPING = frozenset({S.ABANDONED, S.DRAINING, S.PARTING})
OVER = frozenset({S.ENDED, S.LEFT})
REST = frozenset({S.BACKING_OFF, S.STANDING_BY})
ASKS_THE_ROUTE = ENDINGS | {E.CHECK_DUE, E.ANSWER}  # events that want the guest, if the route has it idle

_PHASES: dict[State, Phase] = {
    S.INSTALLED: Phase.INSTALLED, S.QUEUED: Phase.STARTING, S.LOADING: Phase.STARTING,
    **dict.fromkeys(RUNNING, Phase.RUNNING), **dict.fromkeys(STOPPING, Phase.STOPPING), S.FAILED: Phase.FAILED,
    S.BACKING_OFF: Phase.BACKING_OFF, S.STANDING_BY: Phase.BACKING_OFF, S.GAVE_UP: Phase.GAVE_UP,
    S.ENDED: Phase.STOPPED, S.LEFT: Phase.STOPPED,
}  # fmt: skip
_AS_UNREADY = {
    S.IDLE: S.UNREADY, S.OVERDUE: S.UNREADY_OVERDUE, S.CHECKING: S.UNREADY_CHECKING, S.ANSWERING: S.UNREADY_ANSWERING,
}  # fmt: skip

_ENDS = (F.DISARM, F.LIMIT_STOP)
_STARTS = (F.DISARM, F.CLEAR_RECORD, F.START, F.TELL)
_STARTS_AGAIN = (F.DISARM, F.COUNT_RESTART, F.COUNT_FAILURE, F.START, F.TELL)

FOLLOWS: dict[Then, Step] = {
    Then.LEAVE: Step(S.LEFT, (F.TELL,)),
    Then.RESTART: Step(S.QUEUED, _STARTS),
    Then.STAND_BY: Step(S.STANDING_BY, (F.TELL,)),
    Then.GIVE_UP: Step(S.GAVE_UP, (F.TELL,)),
}
# Told again while it ends. Its group goes before a restart that is asked for: it starts it again anyway, or gave up.
RETOLD: dict[tuple[Then, LifeEvent], Then] = {
    **{(then, E.STOP): Then.LEAVE for then in Then},
    **{(then, told): _TOLD[told] for then in Then if then is not Then.LEAVE for told in (E.PAUSE, E.DISMISS)},
    (Then.RESTART, E.RESTART): Then.RESTART,
    (Then.STAND_BY, E.GO_ON): Then.RESTART,
    (Then.GIVE_UP, E.GO_ON): Then.RESTART,
}


def _ready_rows() -> Rows:
    """Return the rows of an instance that takes messages, and the same, but for messages, of one that does not."""
    rows: Rows = {
        (S.IDLE, E.CHECK_DUE): Step(S.CHECKING, (F.CHECK,)),
        (S.IDLE, E.ANSWER): Step(S.ANSWERING, (F.ANSWER,)),
        (S.CHECKING, E.FOUND_WELL): Step(S.IDLE, (F.ARM_CHECK, F.OFFER)),
        (S.CHECKING, E.FOUND_ILL): Step(S.UNREADY, (F.ARM_CHECK, F.LOOK)),
        (S.ANSWERING, E.CHECK_DUE): Step(S.OVERDUE, (F.ARM_CHECK,)),
        (S.OVERDUE, E.CHECK_DUE): Step(S.OVERDUE, (F.ARM_CHECK,)),  # its own deadline bounds what it is at work on
        (S.OVERDUE, E.DONE): Step(S.CHECKING, (F.CHECK,)),
        (S.OVERDUE, E.DONE_ANSWER_NEXT): Step(S.CHECKING, (F.CHECK,)),
    }
    unready = {
        (_AS_UNREADY[state], event): Step(_AS_UNREADY.get(to, to) if event not in _FOUND else to, effects)
        for (state, event), (to, effects) in rows.items()
        if to is not None
    }
    return {
        **rows, **unready,
        (S.IDLE, E.MESSAGE): Step(S.AT_WORK),
        (S.AT_WORK, E.DONE): Step(S.IDLE, (F.OFFER,)),
        (S.AT_WORK, E.DONE_ANSWER_NEXT): Step(S.ANSWERING, (F.ANSWER,)),
        (S.AT_WORK, E.CHECK_DUE): Step(S.OVERDUE, (F.ARM_CHECK,)),
        (S.ANSWERING, E.DONE): Step(S.IDLE, (F.OFFER,)),
        (S.UNREADY_ANSWERING, E.DONE): Step(S.UNREADY, (F.LOOK,)),
    }  # fmt: skip


_FOUND = frozenset({E.FOUND_WELL, E.FOUND_ILL})
TABLE: Rows = {
    (S.INSTALLED, E.START): Step(S.QUEUED, _STARTS),
    (S.INSTALLED, E.STOP): Step(S.LEFT, (F.TELL,)),
    (S.QUEUED, E.TURN): Step(S.LOADING),
    **{(S.QUEUED, told): Step(S.ABANDONED, (F.DISARM, F.TELL)) for told in _TOLD},
    (S.LOADING, E.FOUND_WELL): Step(S.IDLE, (F.ARM_CHECK, F.OFFER)),
    (S.LOADING, E.FOUND_ILL): Step(S.UNREADY, (F.ARM_CHECK, F.LOOK)),
    **_ready_rows(),
    **{(state, told): Step(S.PARTING, (*_ENDS, F.PART, F.TELL)) for state in FREE for told in _TOLD},
    **{(state, told): Step(S.DRAINING, (*_ENDS, F.TELL)) for state in (RUNNING | {S.LOADING}) - FREE for told in _TOLD},
    **{(state, E.EXITED): Step(S.FAILED, (F.DISARM,)) for state in (RUNNING | {S.LOADING}) - FREE},
    **{(S.DRAINING, over): Step(S.PARTING, (F.PART,)) for over in (E.DONE, E.DONE_ANSWER_NEXT, *_FOUND)},
    (S.DRAINING, E.EXITED): Step(None, (F.DISARM,)),  # it ended by itself while it was told to: ended all the same
    (S.PARTING, E.PARTED): Step(None, (F.DISARM,)),
    (S.ABANDONED, E.TURN): Step(None),
    **{(state, E.RETRY): Step(S.BACKING_OFF, (F.ARM_BACKOFF, F.TELL)) for state in (S.FAILED, *REST)},
    **{(state, E.STAND_BY): Step(S.STANDING_BY, (F.DISARM, F.TELL)) for state in (S.FAILED, *REST)},
    **{(state, E.GIVE_UP): Step(S.GAVE_UP, (F.DISARM, F.TELL)) for state in (S.FAILED, *REST)},
    **{(state, E.FORGET): Step(S.ENDED, (F.DISARM, F.TELL)) for state in (S.FAILED, *REST)},
    (S.BACKING_OFF, E.BACKOFF_OVER): Step(S.QUEUED, _STARTS_AGAIN),
    (S.STANDING_BY, E.GO_ON): Step(S.QUEUED, _STARTS_AGAIN),
    (S.GAVE_UP, E.GO_ON): Step(S.QUEUED, _STARTS),
    **{(state, E.RESTART): Step(S.QUEUED, _STARTS) for state in (*REST, S.GAVE_UP, S.ENDED)},
    **{(state, E.STOP): Step(S.LEFT, (F.DISARM, F.TELL)) for state in (*REST, S.GAVE_UP, S.ENDED)},
    **{(state, E.PAUSE): Step(S.STANDING_BY, (F.DISARM, F.COUNT_FAILURE, F.TELL)) for state in REST},
    **{(state, E.DISMISS): Step(S.GAVE_UP, (F.DISARM, F.COUNT_FAILURE, F.TELL)) for state in REST},
}  # fmt: skip


def _of(states: Iterable[State], events: Iterable[LifeEvent], why: str) -> Pairs:
    return frozenset(states), frozenset(events), why


_ALL, _DECIDED = frozenset(S), frozenset({E.RETRY, E.STAND_BY, E.GIVE_UP, E.FORGET})
_JOBS = frozenset({E.TURN, E.MESSAGE, E.DONE, E.DONE_ANSWER_NEXT, E.EXITED, E.PARTED, *_FOUND})
IGNORED: tuple[Pairs, ...] = (
    _of({S.INSTALLED}, {E.RESTART, E.PAUSE, E.DISMISS, E.GO_ON}, "it is about to be started"),
    _of({S.LEFT}, {E.START, E.RESTART, E.STOP, E.PAUSE, E.DISMISS, E.GO_ON}, "it was told to end for good"),
    _of({S.ENDED, S.GAVE_UP}, {E.PAUSE, E.DISMISS}, "it has ended, and stays so"),
    _of({S.ENDED, S.BACKING_OFF, S.QUEUED, S.LOADING, *RUNNING}, {E.GO_ON}, "it waits for no group"),
    _of(STOPPING, {E.GO_ON}, "no group stopped it"),  # where one did, `RETOLD` says what follows instead
    _of(STOPPING, {E.RESTART}, "its group or somebody for good told it to end"),  # and where they did not, `RETOLD`
    _of(STOPPING, {E.PAUSE, E.DISMISS}, "it was told to end for good"),
    _of(
        {S.AT_WORK, *WAITING, *ANSWERED, *CHECKED},
        {E.ANSWER},
        "the work that has the guest looks for answers afterwards",
    ),
    _of(_ALL - RUNNING, {E.ANSWER}, "nobody takes it now; a start or a goodbye looks for answers"),
    _of(CHECKED, {E.CHECK_DUE}, "it is being asked"),
    _of(_ALL - RUNNING, {E.CHECK_DUE}, "a timer may be late"),
    _of(_ALL - {S.BACKING_OFF}, {E.BACKOFF_OVER}, "a timer may be late"),
)
IMPOSSIBLE: tuple[Pairs, ...] = (
    _of(_ALL - {S.INSTALLED, S.LEFT}, {E.START}, "it was started once"),
    _of({S.FAILED}, {*ENDINGS, E.GO_ON}, "the same step decides what follows a failure"),
    _of(_ALL - {S.FAILED, *REST}, _DECIDED, "nothing is to be decided"),
    _of(_ALL, _JOBS, "no such job is under way"),  # but for those of the table
)


def next_life(life: Life, event: LifeEvent) -> tuple[Life, tuple[Effect, ...]]:
    """Return the life that an event leads to, and the effects, in order; none where it is to be ignored.

    Raises:
        Impossible: the event cannot happen in this state.
    """
    state, then = life
    step = TABLE.get((state, event))
    if step is None:
        return _told_again(life, event)
    to, effects = step
    if to is not None:
        return Life(to, (then or _TOLD[event]) if to in STOPPING else None), effects
    assert then is not None, "only what was told to end has an end to be followed"
    to, following = FOLLOWS[then]
    assert to is not None
    return Life(to), (*effects, *following)


def _told_again(life: Life, event: LifeEvent) -> tuple[Life, tuple[Effect, ...]]:
    state, then = life
    if then is not None and (then, event) in RETOLD:
        return Life(state, RETOLD[then, event]), (F.TELL,)
    if (state, event) in _IGNORED:
        return life, ()
    raise Impossible(f"{event.value} cannot happen to an instance that is {state.value}: {_why_not(state, event)}")


def _why_not(state: State, event: LifeEvent) -> str:
    return next(why for states, events, why in IMPOSSIBLE if state in states and event in events)


def pairs_of(rows: Iterable[Pairs]) -> Iterator[tuple[State, LifeEvent]]:
    """Yield the pairs of a state and an event that some rows are about."""
    for states, events, _why in rows:
        yield from product(states, events)


_IGNORED = frozenset(pairs_of(IGNORED)) - TABLE.keys()


def diagram() -> str:
    """Draw the table as a Mermaid state diagram (ARCHITECTURE.md holds a copy that a test compares)."""
    lines = ["stateDiagram-v2", "    [*] --> installed"]
    for phase, states in _composites().items():
        lines += [f"    state {phase} {{", *(f"        {_id(state)}" for state in states), "    }"]
    lines += [f"    {a} --> {b}: {' · '.join(dict.fromkeys(labels))}" for (a, b), labels in _edges().items()]
    return "\n".join([*lines, "    left --> [*]"])


def _composites() -> dict[str, list[State]]:
    """Return the states by the phase that others see, of phases that have several."""
    phases = {phase: [state for state in State if state.phase is phase] for phase in Phase}
    return {f"phase_{_word(phase.value)}": states for phase, states in phases.items() if len(states) > 1}


def _edges() -> dict[tuple[str, str], list[str]]:
    """Return the events that lead from state to state. The end of a guest, and its sequel, are drawn once for all."""
    edges: dict[tuple[str, str], list[str]] = {}
    for state, event in (pair for pair in product(State, LifeEvent) if pair in TABLE):
        to = TABLE[state, event].state
        told = event in ENDINGS and to in STOPPING
        one = "phase_running" if state in RUNNING and (told or event is E.EXITED) else _id(state)
        for other in [to] if to is not None else []:
            if other is not state:
                edges.setdefault((one, _id(other)), []).append("told to end" if told else event.value)
    for then, (to, _effects) in FOLLOWS.items():
        assert to is not None
        edges["phase_stopping", _id(to)] = [f"ended, then {then.value}"]
    return edges


def _id(state: State) -> str:
    return _word(state.value)


def _word(text: str) -> str:
    return text.replace("-", "_")  # Mermaid reads a dash as part of an arrow

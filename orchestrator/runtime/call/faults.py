"""Wasmtime's errors of failed calls → `ExitReason`."""

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.runtime.adapter import inside, outward
from orchestrator.runtime.engine.memory import NO_ADDRESS_SPACE, OVER_LIMIT

EXITED = "Exited with i32 exit status "  # wasmtime's word for a guest that called wasi:cli/exit
MAX_FRAMES = 32
MAX_DETAIL = 500  # characters; a guest chooses its function names, and so how long a message gets
_FOUND = {**outward.FAULTS, **inside.FAULTS}
_BACKTRACE = "wasm backtrace:\n"
_ADAPTER = " - airs-adapter"  # how a frame of one of its modules begins, after number and offset

_KINDS = (
    ("all fuel consumed", ExitKind.OUT_OF_FUEL, "used all the fuel that one call may use"),
    ("call stack exhausted", ExitKind.STACK, "call stack exhausted"),
    (OVER_LIMIT, ExitKind.MEMORY, "needs more memory at its start than its limit"),
    (NO_ADDRESS_SPACE, ExitKind.HOST_FAULT, NO_ADDRESS_SPACE),
    ("memory count too high", ExitKind.MEMORY, "has more linear memories than allowed"),
    ("table count too high", ExitKind.MEMORY, "has more tables than allowed"),
    ("instance count too high", ExitKind.MEMORY, "has more core instances than allowed"),
    ("exceeds table limits", ExitKind.MEMORY, "needs larger tables than allowed"),
)


def exit_reason(text: str) -> ExitReason:
    """Classify a failure by its last cause; a guest can choose the text before it, such as names of frames."""
    cause = _last_cause(text)
    if cause.startswith(EXITED) and (code := cause.removeprefix(EXITED)).isdigit():
        return ExitReason(kind=ExitKind.NORMAL, detail=f"exit code {code}", code=int(code))
    for phrase, kind, detail in _KINDS:
        if phrase in cause:
            return ExitReason(kind=kind, detail=detail, backtrace=frames(text))
    detail = _found_by_adapter(text) or cause[:MAX_DETAIL]
    return ExitReason(kind=ExitKind.TRAPPED, detail=detail, backtrace=frames(text))


def _found_by_adapter(text: str) -> str | None:
    """Name the fault that an adapter found in an answer; it traps in a function of that name."""
    innermost = text.partition(_BACKTRACE)[2].partition("\n")[0]
    return _FOUND.get(innermost.partition(f"{_ADAPTER}!")[2])


def frames(text: str) -> tuple[str, ...]:
    """Return the guest's frames in a failure's text, innermost first, at most `MAX_FRAMES`; not the adapter's."""
    _, found, rest = text.partition(_BACKTRACE)
    lines = (line.strip() for line in rest.partition("\n\nCaused by:")[0].splitlines()) if found else ()
    return tuple(line[:MAX_DETAIL] for line in lines if line and _ADAPTER not in line)[:MAX_FRAMES]


def causes(text: str) -> list[str]:
    """Return a failure's lines without their numbers, outermost cause first."""
    lines = (line.strip() for line in text.splitlines())
    return [_unnumbered(line) for line in lines if line and line != "Caused by:"]


def _last_cause(text: str) -> str:
    found = causes(text)
    return found[-1].removeprefix("wasm trap: ") if found else "the guest failed without saying why"


def _unnumbered(line: str) -> str:
    number, colon, rest = line.partition(": ")
    return rest if colon and number.isdigit() else line

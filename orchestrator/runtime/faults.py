"""What wasmtime says when a call fails, turned into an `ExitReason`."""

from orchestrator.model.exits import ExitKind, ExitReason

MAX_FRAMES = 32
MAX_DETAIL = 500  # characters; a guest chooses its function names, and so how long a message gets

_KINDS = (
    ("all fuel consumed", ExitKind.OUT_OF_FUEL, "used all the fuel that one call may use"),
    ("call stack exhausted", ExitKind.STACK, "call stack exhausted"),
    ("exceeds memory limits", ExitKind.MEMORY, "needs more memory at its start than its limit"),
    ("memory count too high", ExitKind.MEMORY, "has more linear memories than allowed"),
    ("table count too high", ExitKind.MEMORY, "has more tables than allowed"),
    ("exceeds table limits", ExitKind.MEMORY, "needs larger tables than allowed"),
)


def exit_reason(text: str) -> ExitReason:
    """Classify a failure by its last cause: what stands before it, names in the backtrace too, is the guest's to choose."""
    cause = _last_cause(text)
    for phrase, kind, detail in _KINDS:
        if phrase in cause:
            return ExitReason(kind=kind, detail=detail, backtrace=frames(text))
    return ExitReason(kind=ExitKind.TRAPPED, detail=cause[:MAX_DETAIL], backtrace=frames(text))


def frames(text: str) -> tuple[str, ...]:
    """Return the wasm frames in a failure's text, innermost first, at most `MAX_FRAMES`."""
    _, found, rest = text.partition("wasm backtrace:\n")
    lines = (line.strip() for line in rest.partition("\n\nCaused by:")[0].splitlines()) if found else ()
    return tuple(line[:MAX_DETAIL] for line in lines if line)[:MAX_FRAMES]


def _last_cause(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else "the guest failed without saying why"
    number, colon, rest = last.partition(": ")
    cause = rest if colon and number.isdigit() else last
    return cause.removeprefix("wasm trap: ")

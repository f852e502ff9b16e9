"""Decides what a component's world means for running it here: what it lacks, and whether anything drives it. Pure.

Everything that is missing or differs is found at once, and named with a possible provider.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from orchestrator.interface.provided import HOST, WASI
from orchestrator.interface.versions import versioned
from orchestrator.model.base import Value
from orchestrator.model.wit import FunctionType
from orchestrator.model.world import HOST_INTERFACES, LIFECYCLE, TYPE_INTERFACES, Drive, World

STORAGE = "airssys:core/storage@1.0.0"
MESSAGING = "airssys:core/host-messaging@1.0.0"
_CALLBACK = f"{LIFECYCLE}#handle-callback"
PROVIDED = frozenset((*HOST_INTERFACES, *TYPE_INTERFACES))
MAX_NAMED = 20  # imports in one sentence; the rest is counted
_OURS = "airssys:core"

Exporters = Mapping[str, Collection[str]]  # interface → who exports it, as shown to people
_NOBODY: Exporters = {}


class Unfitness(Value, frozen=True):
    """One reason why a component cannot run here: what, why, and how to get one that can."""

    summary: str
    detail: str = ""
    suggestion: str = ""


def unmet_imports(world: World, provided: Collection[str] = PROVIDED) -> tuple[str, ...]:
    """Return everything imported that is neither among `provided` nor what is linked of WASI 0.2, sorted."""
    names = {imported.interface for imported in world.imports}
    return tuple(sorted(n for n in names if n not in provided and linked_wasi(n) is None))


def unfitness(
    world: World, exporters: Exporters = _NOBODY, shown: Callable[[str], str] = "`{}`".format
) -> list[Unfitness]:
    """Return all reasons why a component cannot run here.

    `exporters` are the other components there are, by the interfaces that they export; `shown` makes a name printable.
    """
    return [
        *_missing(world, exporters, shown),
        *_differing(world, shown),
        *_refused(world, shown),
        *_unanswerable(world),
        *_undriven(world),
    ]


def imports_fit(world: World) -> bool:
    """Decide whether everything imported is here, as it is imported; what WASI's linker says apart."""
    return not [*_missing(world, _NOBODY, str), *_differing(world, str)]


def needs_storage(world: World) -> bool:
    """Decide whether the component imports key-value storage."""
    return any(imported.interface == STORAGE for imported in world.imports)


def is_driven(world: World) -> bool:
    """Decide whether something here can drive it: messages to an actor, typed calls, or a run of a job."""
    return bool(world.drives & {Drive.ACTOR, Drive.CALLABLE, Drive.JOB})


def stays(drives: Collection[Drive]) -> bool:
    """Decide whether it is something that is kept running, rather than run to its end."""
    return bool({Drive.ACTOR, Drive.CALLABLE} & set(drives))


def wasi_0_3(world: World) -> list[str]:
    """Return the imports and exports of WASI 0.3."""
    names = [interface.name for interface in (*world.types.imports, *world.types.exports)]
    return [name for name in dict.fromkeys(names) if _is_wasi_0_3(name)]


def _is_wasi_0_3(name: str) -> bool:
    return name.startswith("wasi:") and "@0.3." in name


def linked_wasi(name: str) -> frozenset[str] | None:
    """Return the functions linked of an interface of WASI 0.2; None when it is none."""
    taken = versioned(name)
    return WASI.get(taken.bare) if taken.track == f"{taken.bare}@0.2" else None


def _missing(world: World, exporters: Exporters, shown: Callable[[str], str]) -> Iterator[Unfitness]:
    unmet = unmet_imports(world)
    if not unmet:
        return
    told = [f"{shown(name)}: {_who(name, exporters)}." for name in unmet[:MAX_NAMED]]
    yield Unfitness(
        "the component imports what nothing here provides: " + _listed(unmet, shown),
        " ".join(told),
        _instead(unmet, exporters),
    )


def _instead(unmet: Collection[str], exporters: Exporters) -> str:
    """Say how to get a component that imports none of these."""
    if any(map(_is_wasi_0_3, unmet)):
        return _TO_0_2
    if any(name in exporters for name in unmet):
        return "make one component of the two: `wac plug THIS.wasm --plug THAT.wasm -o COMPOSED.wasm`"
    if any(name.startswith(_HTTP) for name in unmet):
        return f"build it without HTTP; {_JCO}"
    return "build it against wit/, or without these imports"


def _listed(names: Collection[str], shown: Callable[[str], str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(shown(name) for name in list(names)[:MAX_NAMED]) + more


def _who(name: str, exporters: Exporters) -> str:
    """Say who could provide an interface."""
    bare = versioned(name).bare
    others = sorted(p for p in (*PROVIDED, *exporters) if p != name and versioned(p).bare == bare)
    ours = [other for other in others if other in PROVIDED]
    if ours:
        return f"the host has it as {ours[0]}"
    if name in exporters:
        by = _few(exporters[name])
        return f"exported by {by}, but components are not linked with each other here: make one of the two, `wac plug`"
    if others:
        return f"another version, {others[0]}, is exported by {_few(exporters[others[0]])}"
    return _why_nobody(name, bare)


def _why_nobody(name: str, bare: str) -> str:
    if _is_wasi_0_3(name):
        return "it is of WASI 0.3, and WASI 0.2 is what is linked here"
    if bare in WASI:
        return f"the host has it as {bare}@0.2"
    if name.startswith("wasi:"):
        return "a part of WASI that is not linked here"
    if name.startswith(f"{_OURS}/"):
        return f"airs has no such interface, only {', '.join(sorted(PROVIDED))}"
    return "nobody has it"


def _few(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:3])


def _differing(world: World, shown: Callable[[str], str]) -> Iterator[Unfitness]:
    """Yield every imported function of a linked interface that is not there, or is there with another type."""
    for interface in world.types.imports:
        ours, theirs = HOST.get(interface.name), linked_wasi(interface.name)
        for name, kind in interface.functions:
            full = f"{interface.name}#{name}"
            if ours is not None and name in ours and not _is_same(kind, ours[name]):
                yield _other_type(shown(full), kind, ours[name])
            elif (ours is not None and name not in ours) or (theirs is not None and name not in theirs):
                yield _no_function(shown(full), interface.name, ours if ours is not None else theirs or ())
        if ours is not None:
            yield from (_no_resource(shown(f"{interface.name}#{name}")) for name, _ in interface.resources)


def _refused(world: World, shown: Callable[[str], str]) -> Iterator[Unfitness]:
    for name, why in world.refused[:MAX_NAMED]:
        summary = f"the component imports {shown(name)} with another type than it has here"
        yield Unfitness(summary, f"{why}.", "build it against the WIT files of WASI 0.2")


def _is_same(found: FunctionType, expected: FunctionType) -> bool:
    """Compare two types as linking does: the names of parameters do not matter."""
    same_params = [kind for _, kind in found.params] == [kind for _, kind in expected.params]
    return same_params and found.result == expected.result and found.is_async == expected.is_async


def _other_type(name: str, found: FunctionType, expected: FunctionType) -> Unfitness:
    return Unfitness(
        f"the component imports {name} with another type than it has here",
        f"Expected {expected}, found {found}.",
        "build it against the WIT files that come with airs (`wit/`)",
    )


def _no_function(name: str, interface: str, functions: Collection[str]) -> Unfitness:
    has = ", ".join(sorted(functions)[:MAX_NAMED]) or "none"
    who = "build it against wit/" if interface.startswith(_OURS) else "build it for an earlier version of WASI 0.2"
    return Unfitness(
        f"the component imports {name}, and its interface has no such function here", f"It has {has}.", who
    )


def _no_resource(name: str) -> Unfitness:
    return Unfitness(f"the component imports the resource {name}, which its interface does not have", "", "see wit/")


def _unanswerable(world: World) -> Iterator[Unfitness]:
    """Yield why a component that makes requests could not be given their answers."""
    asks = any(one.interface == MESSAGING and "request" in one.functions for one in world.imports)
    if asks and not any(export.name == _CALLBACK for export in world.exports):
        yield Unfitness(
            "the component makes requests, and could not be given their answers",
            f"It imports `{MESSAGING}#request` and does not export `{_CALLBACK}`, which answers come to.",
            "export `handle-callback`, or use `send`, which has no answer",
        )


def _undriven(world: World) -> Iterator[Unfitness]:
    if is_driven(world):
        return
    summary = "nothing here drives this component yet: it is neither an actor nor callable nor a job"
    newer = wasi_0_3(world)
    if newer:
        yield Unfitness(summary, f"It is built for WASI 0.3: {', '.join(newer[:MAX_NAMED])}.", _TO_0_2)
    else:
        hint = "export `component-lifecycle` or a function"
        yield Unfitness(summary, _DRIVES, f"{hint}; {_JCO}" if Drive.HTTP in world.drives else hint)


_DRIVES = "HTTP services are recognised, but this version does not run them."
_HTTP = "wasi:http/"
_JCO = "jco gives every JavaScript guest HTTP unless it is told `jco componentize … --disable http fetch-event`"
_TO_0_2 = (
    "build it for WASI 0.2: with Rust for the target wasm32-wasip2, with other languages against the WIT files of "
    "WASI 0.2 and without async"
)

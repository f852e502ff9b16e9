"""Decides what a component's world means for running it here: what it lacks, and whether anything drives it. Pure."""

import re
from collections.abc import Collection

from orchestrator.model.world import HOST_INTERFACES, TYPE_INTERFACES, Drive, World

STORAGE = "airssys:core/storage@1.0.0"
PROVIDED = frozenset((*HOST_INTERFACES, *TYPE_INTERFACES))
_WASI_0_2 = re.compile(r"wasi:(cli|clocks|filesystem|io|random|sockets)/[a-z0-9-]+@0\.2\.[0-9]+")  # what is linked


def unmet_imports(world: World, provided: Collection[str] = PROVIDED) -> tuple[str, ...]:
    """Return every imported interface that is neither among `provided` nor what is linked of WASI 0.2, sorted."""
    names = {imported.interface for imported in world.imports}
    return tuple(sorted(n for n in names if n not in provided and not _WASI_0_2.fullmatch(n)))


def needs_storage(world: World) -> bool:
    """Decide whether the component imports key-value storage."""
    return any(imported.interface == STORAGE for imported in world.imports)


def is_driven(world: World) -> bool:
    """Decide whether something here can drive it: messages to an actor, typed calls, or a run of a job."""
    return bool(world.drives & {Drive.ACTOR, Drive.CALLABLE, Drive.JOB})


def stays(drives: Collection[Drive]) -> bool:
    """Decide whether it is something that is kept running, rather than run to its end."""
    return bool({Drive.ACTOR, Drive.CALLABLE} & set(drives))

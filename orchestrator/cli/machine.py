"""The machine's limits for a process → findings: how many instances fit, and which limit is in the way.

`read_machine` looks, `judged` decides. `airs doctor` calls both. Linux tells all of it in /proc and /sys/fs/cgroup;
where something cannot be read it is None, and nothing is said about it.
"""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.interpreter import Interpreter
from orchestrator.model.base import Value
from orchestrator.model.finding import Finding, ok, problem, warning

MIB, GIB = 1 << 20, 1 << 30
SMALL_INSTANCE_BYTES = 30 << 10  # of RSS, idle after a message; `python -m benchmarks.instances` measures it
MAPS_OF_THE_PROCESS = 500  # of libraries, stacks and heaps, before any instance
MAPS_WITH_GUARDS = 2  # of each memory of a component that runs with guards
STOCK_MAPS = 65_530
SMALL_SPACE_BYTES = 3 << 20  # of address space: a stack, and room for a memory to grow
FEW_FILES = 1_024
FEW_PROCESSES = 1_024
GUARDED_BYTES = 4 * GIB + 64 * MIB  # of address space
LITTLE_MEMORY = 256 * MIB


class Machine(Value, frozen=True):
    """The machine and its limits for this user; None where it cannot be told or there is no limit."""

    cores: int
    memory_bytes: int | None
    available_bytes: int | None
    cgroup_memory_bytes: int | None
    cgroup_left_bytes: int | None
    cgroup_cores: float | None
    map_count: int | None
    open_files: int | None
    processes: int | None
    address_space_bytes: int | None
    overcommit: int | None

    @property
    def room_bytes(self) -> int | None:
        """The memory that may still be used."""
        known = [size for size in (self.available_bytes, self.cgroup_left_bytes) if size is not None]
        return min(known) if known else None


class Capacity(Value, frozen=True):
    """How many idle instances of one component fit, by what is known; None where nothing bounds them."""

    small: int | None
    with_guards: int | None


def python(interpreter: Interpreter) -> Finding:
    """Say how Python was built, and how to get one that is quicker."""
    hint = "A distribution's Python is optimised; pyenv's with PYTHON_CONFIGURE_OPTS set to that."
    return ok("python", str(interpreter), hint if interpreter.costs else "")


def capacity(machine: Machine) -> Capacity:
    """Estimate how many instances fit: by memory and address space, those with guards by maps as well."""
    by_memory = None if machine.room_bytes is None else machine.room_bytes // SMALL_INSTANCE_BYTES
    by_maps = None if machine.map_count is None else (machine.map_count - MAPS_OF_THE_PROCESS) // MAPS_WITH_GUARDS
    by_space = None if machine.address_space_bytes is None else machine.address_space_bytes // GUARDED_BYTES
    by_stacks = None if machine.address_space_bytes is None else machine.address_space_bytes // SMALL_SPACE_BYTES
    return Capacity(small=_tightest(by_memory, by_stacks), with_guards=_tightest(by_memory, by_maps, by_space))


def _tightest(*bounds: int | None) -> int | None:
    known = [bound for bound in bounds if bound is not None]
    return max(0, min(known)) if known else None


def judged(machine: Machine) -> Iterator[Finding]:
    """Say of each limit whether it is in the way."""
    yield _cores(machine)
    if machine.room_bytes is not None:
        yield _memory(machine, machine.room_bytes)
    if machine.map_count is not None:
        yield _maps(machine.map_count)
    yield _files(machine.open_files)
    yield _processes(machine.processes)
    yield _address_space(machine.address_space_bytes)
    if machine.overcommit is not None:
        yield _overcommit(machine.overcommit)


def _cores(machine: Machine) -> Finding:
    if machine.cgroup_cores is not None and machine.cgroup_cores < machine.cores:
        return warning(
            "cores", f"{machine.cores} cores, of which this group may use {machine.cgroup_cores:g}",
            "Raise the group's CPU quota, or expect guests to be stopped for parts of each period.",
        )  # fmt: skip
    return ok("cores", f"{machine.cores}", "As many guests run at once; more take turns.")


def _memory(machine: Machine, room: int) -> Finding:
    limit = machine.cgroup_memory_bytes
    told = f"{room / GIB:.1f} GiB may be used" + (f" (limit of the group: {limit / GIB:.1f} GiB)" if limit else "")
    if room < LITTLE_MEMORY:
        return warning("memory", told, "Free some: compiling a large component alone takes hundreds of megabytes.")
    return ok("memory", told)


def _maps(count: int) -> Finding:
    told = f"vm.max_map_count is {count}"
    if count < STOCK_MAPS:
        hint = f"`sysctl -w vm.max_map_count={STOCK_MAPS}`: each memory with guards, and each thread, takes two."
        return warning("maps", told, hint)
    return ok("maps", told)


def _files(limit: int | None) -> Finding:
    if limit is not None and limit < FEW_FILES:
        hint = f"`ulimit -n {FEW_FILES}`: the store, callers and watched folders take one each."
        return warning("open files", f"at most {limit}", hint)
    return ok("open files", "unlimited" if limit is None else f"at most {limit}")


def _processes(limit: int | None) -> Finding:
    if limit is not None and limit < FEW_PROCESSES:
        hint = f"`ulimit -u {FEW_PROCESSES}`: up to 256 guests that wait have a thread each, and git is a process."
        return warning("processes and threads", f"at most {limit}", hint)
    return ok("processes and threads", "unlimited" if limit is None else f"at most {limit}")


def _address_space(limit: int | None) -> Finding:
    if limit is None:
        return ok("address space", "unlimited")
    fitting = limit // GUARDED_BYTES
    hint = "`ulimit -v unlimited`: a memory with guards takes 4 GiB of addresses, whatever it uses."
    if fitting < 2:
        return problem("address space", f"at most {limit / GIB:.1f} GiB: no large component can start", hint)
    return warning("address space", f"at most {limit / GIB:.1f} GiB: room for {fitting} memories with guards", hint)


def _overcommit(mode: int) -> Finding:
    if mode == 2:
        hint = "`sysctl -w vm.overcommit_memory=0`, or leave it and expect fewer instances and slower growth."
        return warning("overcommit", "vm.overcommit_memory is 2: mapped memory counts as used", hint)
    return ok("overcommit", f"vm.overcommit_memory is {mode}")


def read_machine() -> Machine:
    """Look at this machine and at the limits of this process."""
    memory = _meminfo()
    group = _group()
    return Machine(
        cores=os.cpu_count() or 1,
        memory_bytes=memory.get("MemTotal"),
        available_bytes=memory.get("MemAvailable"),
        cgroup_memory_bytes=_least(group, _limit_of),
        cgroup_left_bytes=_least(group, _left_of),
        cgroup_cores=_group_cores(group),
        map_count=_number(Path("/proc/sys/vm/max_map_count")),
        open_files=_limit(resource.RLIMIT_NOFILE),
        processes=_limit(resource.RLIMIT_NPROC),
        address_space_bytes=_limit(resource.RLIMIT_AS),
        overcommit=_number(Path("/proc/sys/vm/overcommit_memory")),
    )


def _limit(which: int) -> int | None:
    soft, _hard = resource.getrlimit(which)
    return None if soft == resource.RLIM_INFINITY else soft


def _meminfo() -> dict[str, int]:
    lines = (line.split() for line in _text(Path("/proc/meminfo")).splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) == 3 and words[1].isdecimal()}


def _group() -> Path | None:
    """Return the folder of this process's control group (version 2)."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::"):
            return Path("/sys/fs/cgroup") / line[3:].lstrip("/")
    return None


def _least(group: Path | None, read: Callable[[Path], int | None]) -> int | None:
    """Return the least of what the group and those around it say."""
    found = [] if group is None else [read(folder) for folder in _inside_out(group)]
    return min((size for size in found if size is not None), default=None)


def _limit_of(folder: Path) -> int | None:
    return _number(folder / "memory.max")


def _left_of(folder: Path) -> int | None:
    limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
    return None if limit is None or used is None else max(0, limit - used)


def _group_cores(group: Path | None) -> float | None:
    found = []
    for folder in () if group is None else _inside_out(group):
        words = _text(folder / "cpu.max").split()
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            found.append(int(words[0]) / int(words[1]))
    return min(found, default=None)


def _inside_out(group: Path) -> list[Path]:
    return [group, *(folder for folder in group.parents if folder.is_relative_to("/sys/fs/cgroup"))]


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

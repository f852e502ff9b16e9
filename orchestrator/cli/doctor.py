"""`airs doctor`: what this machine allows, whether everything airs needs works here, and what is wrong with a state.

It changes nothing, unless it is asked to repair. Facts come from `machine`, `store/examine`,
`operators_files` and `runtime`; here they are put together and shown.
"""

import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from orchestrator import __version__, interpreter
from orchestrator.cli.context import Settings, command, runtime_dir
from orchestrator.cli.machine import Capacity, Machine, capacity, judged, python, read_machine
from orchestrator.cli.operators_files import examine_files
from orchestrator.cli.outward import receiver_findings, webhook_findings
from orchestrator.cli.repairing import repaired
from orchestrator.cli.terminal import Console, Text
from orchestrator.client import AgentClient, NotAnswering
from orchestrator.contract.codes import FAILED, OK
from orchestrator.contract.documents import AgentView
from orchestrator.model.base import Value
from orchestrator.model.calls import Calls
from orchestrator.model.finding import Degree, Finding, ok, problem, warning
from orchestrator.observe.events import printable
from orchestrator.runtime import chosen, trial
from orchestrator.source.verify import PACKAGES as PACKAGES_OF
from orchestrator.source.verify import PROGRAMS, program
from orchestrator.store.examine import examine, is_held
from orchestrator.store.files import NotPrivate

PACKAGES = ("wasmtime", "rocksdict", "msgspec", "starlette", "uvicorn", "watchfiles")
GIT_LIMIT_S = 5.0
AGENT_LIMIT_S = 5.0  # for an agent to say that it is there
STYLES = {Degree.OK: "green", Degree.WARNING: "bold yellow", Degree.PROBLEM: "bold red"}
TITLES = (("engine", "Engine"), ("machine", "Machine"), ("state", "State"), ("files", "Files of the operator"))
NO_EXTENSION = (
    "A wheel for this platform has it; from a clone, `make` builds it once there is a C compiler and Python.h "
    "(Debian: apt install gcc python3-dev)."
)


class Doctor(Value, frozen=True):
    """The findings of `doctor`, each group's in the order looked at; `healthy` when none is a problem."""

    healthy: bool
    versions: dict[str, str]
    limits: Machine
    capacity: Capacity
    engine: tuple[Finding, ...]
    machine: tuple[Finding, ...]
    state: tuple[Finding, ...]
    files: tuple[Finding, ...]


@command()
@click.option("--repair", is_flag=True, help="Save what can be read of a damaged database into a new one.")
def doctor(settings: Settings, repair: bool) -> int:
    """Check this machine and the state directory."""
    found = _examined(settings, tuple(repaired(settings.state_dir)) if repair else ())
    if settings.is_json:
        settings.print_json(found)
    else:
        _show(settings.out(), found)
    return OK if found.healthy else FAILED


def _examined(settings: Settings, done: tuple[Finding, ...]) -> Doctor:
    limits, state = read_machine(), _State(settings.found.state_dir)
    groups = {
        "engine": tuple(_engine(settings.calls)),
        "machine": tuple(judged(limits)),
        "state": (*done, *state.findings()),
        "files": tuple(examine_files(settings, state.agent, state.sources)),
    }
    healthy = not any(each.verdict is Degree.PROBLEM for group in groups.values() for each in group)
    return Doctor(healthy=healthy, versions=_versions(), limits=limits, capacity=capacity(limits), **groups)


def _versions() -> dict[str, str]:
    found = {"airs": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found | {"git": _git() or "missing", "system": f"{platform.system()} {platform.release()}"}


def _git() -> str:
    command = shutil.which("git")
    if command is None:
        return ""
    try:
        said = subprocess.run([command, "--version"], capture_output=True, timeout=GIT_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return printable(said.stdout.decode(errors="replace").strip().removeprefix("git version "))


def _engine(asked: Calls) -> Iterator[Finding]:
    yield python(interpreter.found())
    path = chosen(asked)
    if path.calls is Calls.STOCK:
        hint = "Unset AIRS_CALLS." if asked is Calls.STOCK else "Install the wasmtime that airs pins."
        yield warning("fast path", "off: the stock path runs, and a call takes several times as long", hint, path.why)
    elif path.calls is Calls.FAST:
        hint = "Unset AIRS_CALLS." if asked is Calls.FAST else NO_EXTENSION
        yield ok(
            "fast path", f"on, by ctypes: a message takes half as long again as by the extension. {hint}", path.why
        )
    else:
        yield ok("fast path", "on, by the extension; `airs component info FILE` says how messages reach an actor on it")
    refusal = trial(asked)
    if refusal:
        hint = "A policy that forbids executable memory (SELinux, seccomp, a hardened kernel) has to make an exception."
        yield problem("trial", "a component cannot be compiled and run here", hint, refusal)
    else:
        yield ok("trial", "a component was compiled and called")
    if not _git():
        yield warning("git", "not found", "Install git to read repositories; folders need none.")
    for name, kind in PROGRAMS.items():
        if program(name) is None:
            how = f"`apt install {PACKAGES_OF[name]}` on Debian"
            yield ok(name, f"not found: a source with `--verify` refuses commits that are signed with {kind}; {how}")


class _State:
    """A state directory; `agent` is what the one that serves it says of itself, once it was looked at.

    `sources` are the names of those that it knows, None where none answers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.agent: AgentView | None = None
        self.sources: frozenset[str] | None = None

    def findings(self) -> Iterator[Finding]:
        """Look at it, and ask its agent."""
        try:
            client = AgentClient(self._path, runtime_dir(), answer_s=AGENT_LIMIT_S)
        except (NotPrivate, OSError) as fault:
            hint = "Remove or repair that folder, or name a --state-dir with a shorter path."
            yield problem("socket", "there is no place for the agent's socket", hint, str(fault))
            yield from examine(self._path, answers=lambda: False, socket=None)
            return
        try:
            self.agent = client.about() if is_held(self._path) and _answers(client) else None
            yield from examine(self._path, answers=lambda: self.agent is not None, socket=client.socket)
            if self.agent is not None:
                yield from _condition(self.agent)
                yield from webhook_findings(self.agent.webhooks) if self.agent.webhooks is not None else ()
                yield from receiver_findings(self.agent.receivers)
                self.sources = frozenset(each.name for each in client.sources())
        finally:
            client.close()


def _condition(agent: AgentView) -> Iterator[Finding]:
    """Tell what an agent says is wrong with its store, which nobody else can look at."""
    hint = "If the disk is full, free some space. If it says damaged: `airs agent stop`, then `airs doctor --repair`."
    if agent.condition:
        yield problem("store", "the agent cannot use it as it should", hint, agent.condition)


def _answers(client: AgentClient) -> bool:
    try:
        return client.answers()
    except NotAnswering:
        return False


def _show(console: Console, found: Doctor) -> None:
    console.print(Text("  ".join(f"{name} {text}" for name, text in found.versions.items()), style="dim"))
    for name, title in TITLES:
        console.print(Text(f"\n{title}", style="bold"))
        for finding in getattr(found, name):
            _show_finding(console, finding)
    console.print(Text(f"\n{_fits(found.capacity)}"))
    console.print(_conclusion(found))


def _show_finding(console: Console, finding: Finding) -> None:
    word = Text(f"  {finding.verdict.value:<8} ", style=STYLES[finding.verdict])
    console.print(word + Text(f"{finding.about}: {printable(finding.summary)}"))
    if finding.detail:
        console.print(Text(f"           {printable(finding.detail)}", style="dim"))
    if finding.suggestion:
        console.print(Text(f"           → {printable(finding.suggestion)}", style="cyan"))


def _fits(fits: Capacity) -> str:
    small = "as many as memory allows" if fits.small is None else f"about {fits.small}"
    large = "as many as memory allows" if fits.with_guards is None else f"at most {fits.with_guards}"
    return f"Idle instances that fit: {small} of a small component, {large} of one above 512 KiB, as its memory allows."


def _conclusion(found: Doctor) -> Text:
    findings = [finding for name, _ in TITLES for finding in getattr(found, name)]
    problems, warnings = (
        sum(finding.verdict is verdict for finding in findings) for verdict in (Degree.PROBLEM, Degree.WARNING)
    )
    if problems:
        return Text(f"{problems} problem{'s' * (problems > 1)}, see above.", style="bold red")
    if warnings:
        return Text(f"Nothing is wrong; {warnings} warning{'s' * (warnings > 1)}.", style="yellow")
    return Text("Nothing is wrong.", style="green")

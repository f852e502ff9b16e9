"""Plans of folders, made in the agent for commands: files that are the same are neither read nor resolved again.

A folder is looked at anew for each plan; only the results of reading and resolving its files are kept, for as long as
somebody asks now and then. A plan that the agent cannot make exactly as the command would is declined, and the command
makes it: where the two see other files, where a large component has to be compiled, which the command shows, and where
components are fetched, with the caller's options and in the caller's sight.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from orchestrator.agent.sources import spec_of
from orchestrator.agent.trouble import Trouble
from orchestrator.compiled.worlds import Worlds
from orchestrator.concurrency.clock import Clock
from orchestrator.contract.bodies import PlanWish
from orchestrator.contract.documents import Planned, SourceLine
from orchestrator.contract.problem import Problem
from orchestrator.contract.standpoint import standpoint
from orchestrator.fetch.files import Wanted
from orchestrator.manifest import Resolver
from orchestrator.manifest.text import line_at
from orchestrator.model.base import canonical_json
from orchestrator.model.compiling import SHOWN_BYTES
from orchestrator.model.desired import DesiredState
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.observed import ObservedState
from orchestrator.model.snapshot import Content, Snapshot, Unknown
from orchestrator.model.source import FolderSpec
from orchestrator.model.world import World
from orchestrator.plan.document import Plan
from orchestrator.plan.findings.known import NOTHING_KNOWN, KnownFacts
from orchestrator.plan.make import make_plan, plan_to_show
from orchestrator.plan.ruled import UNJUDGED, Judging
from orchestrator.signing.trust import Trust
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.folder import FolderSource

FOLDERS_MAX = 4  # that are remembered
FILES_MAX = 100_000  # of all that are remembered but the one asked for last
AT_ONCE_MAX = 4  # plans; one that a slow file system holds up keeps no thread of the API from others for ever
UNUSED_MS = 600_000  # after which a folder is forgotten
LINES_MAX_BYTES = 8 << 20

Inspect = Callable[[bytes, str], World]
Fill = Callable[[DesiredState], DesiredState]


class _Declined(Exception):
    """The command has to make this plan itself."""


class _Folder:
    """One folder, and what was made of its files when it was looked at last; one plan of it at a time."""

    def __init__(self, spec: FolderSpec, artifacts: ArtifactCache, trust: Callable[[], Trust], fill: Fill) -> None:
        self.lock = threading.Lock()
        self.files = 0
        self.used_ms = 0
        self._resolver = Resolver(trust)
        self._wanted = Wanted()
        self._fill = fill
        self._source = FolderSource(spec, self._resolver.references, artifacts)

    def plan(
        self, observe: Callable[[], ObservedState], wish: PlanWish, judging: Judging, known: KnownFacts
    ) -> tuple[Plan, Snapshot]:  # fmt: skip
        """Read, resolve and plan the folder as it is now."""
        answer = self._source.read()
        if isinstance(answer, Unknown):
            raise _Declined(answer.failure.summary)
        if self._wanted.uses(answer.snapshot):
            raise _Declined("components have to be fetched for it")
        self.files = len(answer.snapshot.files)
        observed = observe()
        keys = [seen.record.key for seen in observed.deployments]
        resolution = self._resolver.resolve(answer.snapshot, keys, wish.source.permissions)
        desired = self._fill(resolution.desired)
        make = make_plan if wish.whole else plan_to_show
        return make(desired, observed, resolution.diagnostics, judging, known), answer.snapshot


class Planning:
    """Makes plans; `plan` may be called from any thread but the controller's."""

    def __init__(
        self, observe: Callable[[], ObservedState], artifacts: ArtifactCache, keep: Callable[[Snapshot], None],
        clock: Clock, trust: Callable[[], Trust], fill: Fill,
    ) -> None:  # fmt: skip
        """Set it up; `keep` puts a snapshot's artifacts into the store, `fill` fingerprints into what is wanted."""
        self._fill = fill
        self._observe, self._artifacts, self._keep, self._clock = observe, artifacts, keep, clock
        self._standpoint, self._trust = standpoint(), trust
        self.judging: Callable[[], Judging] = lambda: UNJUDGED  # by policies, where there are any
        self.known = NOTHING_KNOWN
        self._turns = threading.Semaphore(AT_ONCE_MAX)
        self._lock = threading.Lock()
        self._folders: OrderedDict[FolderSpec, _Folder] = OrderedDict()

    def plan(self, wish: PlanWish) -> Planned:
        """Make a plan.

        Raises:
            Trouble: the caller has to make it.
        """
        spec = self._checked(wish)
        try:
            with self._turn(), self._folder(spec) as folder:
                plan, snapshot = folder.plan(self._observe, wish, self.judging(), self.known)
            if wish.kept:
                self._keep(snapshot)
            return _planned(plan, snapshot, wish.whole)
        except _Declined as why:
            raise _trouble(str(why)) from None

    def _checked(self, wish: PlanWish) -> FolderSpec:
        if self._standpoint is None or wish.standpoint != self._standpoint:
            raise _trouble("the caller sees other files")
        if spec_of(wish.source) != wish.spec:
            raise _trouble("the caller takes the path for something else")
        return wish.spec

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(blocking=False):
            raise _Declined("too many plans are being made")
        try:
            yield
        finally:
            self._turns.release()

    @contextmanager
    def _folder(self, spec: FolderSpec) -> Iterator[_Folder]:
        """Yield the folder for this caller alone, and remember it."""
        with self._lock:
            folder = self._folders.pop(spec, None) or _Folder(spec, self._artifacts, self._trust, self._fill)
            self._folders[spec] = folder
        with folder.lock:
            yield folder
        with self._lock:
            folder.used_ms = self._clock.monotonic_ms()
            self._make_room()
        self._clock.call_later(UNUSED_MS, self._forget_unused)

    def _make_room(self) -> None:
        while len(self._folders) > FOLDERS_MAX or self._too_many_files():
            self._folders.popitem(last=False)

    def _too_many_files(self) -> bool:
        *others, _newest = self._folders.values()
        return sum(folder.files for folder in others) > FILES_MAX

    def _forget_unused(self) -> None:
        before_ms = self._clock.monotonic_ms() - UNUSED_MS
        with self._lock:
            for spec, folder in [*self._folders.items()]:
                if folder.used_ms <= before_ms and not folder.lock.locked():
                    del self._folders[spec]


def quietly(inspect: Inspect, worlds: Worlds) -> Inspect:
    """Return an `inspect` that compiles no component for which a command would show that."""

    def known(data: bytes, name: str) -> World:
        if len(data) < SHOWN_BYTES:
            return inspect(data, name)
        from hashlib import sha256

        world = worlds.read("sha256:" + sha256(data).hexdigest())
        if world is None:
            raise _Declined(f"{name} has to be compiled")
        return world

    return known


def _planned(plan: Plan, snapshot: Snapshot, whole: bool) -> Planned:
    shown = plan if whole else replace(plan, desired=replace(plan.desired, deployments=()))
    return Planned(
        plan=msgspec.Raw(canonical_json(shown)),
        wanted=len(plan.desired.deployments),
        lines=tuple(_lines(plan.diagnostics, snapshot)),
    )


def _lines(diagnostics: Iterable[Diagnostic], snapshot: Snapshot) -> Iterator[SourceLine]:
    """Yield each line that a diagnostic is about, once."""
    places = {(one.location.file, one.location.line) for one in diagnostics if one.location.line}
    named = {file for file, _ in places}
    held = {shown: path for path in snapshot.files if (shown := snapshot.shown(path)) in named} if named else {}
    room = LINES_MAX_BYTES
    for file, line in sorted(places):
        entry = snapshot.files.get(held.get(file, ""))
        text = line_at(entry.data, line) if isinstance(entry, Content) else None
        if text is not None:
            room -= len(text)
            if room < 0:
                raise _Declined("its diagnostics are about too much text")
            yield SourceLine(file=file, line=line, text=text)


def _trouble(why: str) -> Trouble:
    return Trouble(409, Problem(summary="the agent does not make this plan", detail=why))

"""Keeps the policies of an agent: read from the one place that its configuration names, and read again as that changes.

Half a set of rules would allow what the other half forbids. So a place that cannot be read, or has an error, changes
nothing: the policies known last stay in force, also those of an agent before, and where none were ever known, nothing
new may run.
"""

import contextlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from orchestrator.decoding import from_json
from orchestrator.model.audit import AuditKind
from orchestrator.model.base import canonical_json
from orchestrator.model.event import Announce
from orchestrator.model.policy import NO_POLICY, Mode, PolicySet
from orchestrator.model.snapshot import SourceAnswer, SourceFailure, Unknown
from orchestrator.model.source import FolderSpec
from orchestrator.model.world import World
from orchestrator.policy.read import read_policies
from orchestrator.source.access import Access, no_access
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.open import Source, open_source
from orchestrator.source.spec import SourceRefused, parse_source
from orchestrator.store.files import write_whole

LOG = logging.getLogger("policy")
FILE = "policy.json"  # in the state directory: the policies known last
FOLDER_LOOK_MS = 1_000


class _Noting(Protocol):
    def note(self, what: AuditKind, subject: str, **facts: str) -> None: ...


class PlaceReader:
    """Reads the place of policies; one that is not there, or is nothing that can be read, is told as such."""

    def __init__(self, place: str, work_dir: Path, passed_on: Mapping[str, str], access: Access = no_access) -> None:
        self._place, self._work_dir, self._passed_on, self._access = place, work_dir, passed_on, access
        self._source: Source | None = None
        self._folder = ""  # or the file; empty for a repository

    def read(self) -> SourceAnswer:
        """Read it as it is now."""
        if self._source is None:
            try:
                self._source = self._opened()
            except SourceRefused as refused:
                failure = SourceFailure(source=self._place, summary=refused.summary, detail=refused.detail)
                return Unknown(failure)
        distrusted = distrust_of(self._folder) if self._folder else ""
        if distrusted:
            return Unknown(
                SourceFailure(source=self._place, summary="it is not only the operator's", detail=distrusted)
            )
        return self._source.read()

    def _opened(self) -> Source:
        spec = parse_source(self._place, name=self._place, cwd=Path("/"))
        if isinstance(spec, FolderSpec):
            spec = replace(spec, display=spec.root.rstrip("/") + "/", here="")
            self._folder = spec.path
        return open_source(
            spec, references=lambda _files, _manifests: (), artifacts=ArtifactCache(_no_artifact),
            work_dir=self._work_dir, passed_on=self._passed_on, access=self._access,
        )  # fmt: skip


def distrust_of(place: str) -> str:
    """Say who else could change the policies in a folder or file: a user who may deploy, say; empty for nobody."""
    inside = (os.path.join(folder, name) for folder, names, files in os.walk(place) for name in (*names, *files))
    for path in (place, *inside):
        try:
            about = os.stat(path)
        except OSError:  # told by the reading
            continue
        if why := changed_by_others(about):
            return f"{path} {why}"
    return ""


def changed_by_others(about: os.stat_result) -> str:
    """Say who besides the operator could change a file or folder; empty for nobody."""
    if about.st_uid not in (0, os.geteuid()):
        return f"belongs to user {about.st_uid}"
    if about.st_mode & stat.S_IWOTH:
        return "can be written by everybody"
    if about.st_mode & stat.S_IWGRP and about.st_gid != os.getegid():
        return f"can be written by group {about.st_gid}"
    return ""


def _no_artifact(_data: bytes, _name: str) -> World:
    raise AssertionError("a policy names no artifact")


class PolicySurroundings(NamedTuple):
    """The surroundings of policies: `put` is handed those that are to be in force, and returns once they are."""

    put: Callable[[PolicySet], None]
    announce: Announce
    audit: _Noting
    wall_ms: Callable[[], int]


class Policies:
    """The policies of an agent, and the thread that looks for others."""

    def __init__(
        self, place: str, read: Callable[[], SourceAnswer], state_dir: Path, look_ms: int, around: PolicySurroundings
    ) -> None:
        """Set it up for the source named `place`, empty for no policies, which is looked at every `look_ms`."""
        self._place, self._read, self._file = place, read, state_dir / FILE
        self._around, self._put = around, around.put
        self._known = NO_POLICY
        self.fault = ""  # why those known last stay in force; empty for no reason
        self.read_at_ms = 0  # when they were read last without a fault; 0 for never
        self._closing = threading.Event()
        self._look_s = look_ms / 1000
        self._thread = threading.Thread(target=self._run, name="policies", daemon=True)

    def begin(self, put_first: Callable[[PolicySet], None]) -> None:
        """Put the first policies in force, before anything is planned, and go on looking for others."""
        if not self._place:
            return
        self._known = self._kept()
        first, self._put = self._put, put_first
        self._put(self._known)
        self._look()
        self._put = first
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def shown(self) -> str:
        """Where the policies are from, and how many there are; empty where none were configured."""
        count = len(self._known.policies)
        return f"{self._place} ({count} polic{'y' if count == 1 else 'ies'})" if self._place else ""

    @property
    def warning(self) -> str:
        """The reason why somebody has to look at the policies; empty for none."""
        loose = [policy.name for policy in self._known.policies if policy.mode is Mode.DEVELOPMENT]
        mode = f"policy {', '.join(loose)} is in mode development: nothing is refused" if loose else ""
        return "; ".join(filter(None, (self.fault, mode)))

    def _run(self) -> None:
        while not self._closing.wait(self._look_s):
            self._look()

    def _look(self) -> None:
        answer = self._read()
        if isinstance(answer, Unknown):
            self._keep(f"{answer.failure.summary}: {answer.failure.detail}")
            return
        found = read_policies(answer.snapshot).rules
        if found.problem:
            self._keep(found.problem)
            return
        if found != self._known:
            self._take(found)
        self.fault, self.read_at_ms = "", self._around.wall_ms()

    def _keep(self, why: str) -> None:
        """Stay with what is known, and say why."""
        stays = "those known last stay in force" if self._known.policies else "nothing new may run"
        fault = f"the policies of {self._place} cannot be used: {why}; {stays}"
        if not self._known.policies and self._known.problem != why:
            unknown = PolicySet(place=self._place, problem=why)
            self._put(unknown)
            self._known = unknown
        if fault != self.fault:
            self.fault = fault
            self._around.announce(None, "policy-faulty", fault)

    def _take(self, found: PolicySet) -> None:
        try:
            write_whole(self._file, canonical_json(found))
            names = ", ".join(policy.name for policy in found.policies)
            self._around.audit.note(AuditKind.POLICY, self._place, revision=found.revision, policies=names)
        except OSError as fault:  # rules that cannot be kept are in force all the same; the audit says so itself
            LOG.warning("the policies cannot be kept in %s: %s", self._file, fault)
        self._put(found)
        self._known = found  # only now: they are told of when they are in force
        names = ", ".join(f"{policy.name} ({policy.mode.value})" for policy in found.policies)
        self._around.announce(None, "policy-changed", f"in force are now {names}, of {self._place}")

    def _kept(self) -> PolicySet:
        """Return the policies that an agent before knew last of the same place."""
        unknown = PolicySet(place=self._place, problem="they were not read yet")
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            kept = from_json(self._file.read_bytes(), PolicySet)
            return kept if kept.place == self._place else unknown
        return unknown

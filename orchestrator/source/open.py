"""Turns a `SourceSpec` into something with `read()`; the controller and the CLI call it once per source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from orchestrator.model.commit import Commit
from orchestrator.model.snapshot import SourceAnswer
from orchestrator.model.source import FolderSpec, SourceSpec
from orchestrator.source.access import Access, no_access
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.folder import FolderSource
from orchestrator.source.gather import References
from orchestrator.source.git import GitSource


class Source(Protocol):
    """A place manifests come from."""

    def read(self) -> SourceAnswer:
        """Read it now; it never raises for what the place does, and blocks at most for git's own limits."""


def open_source(
    spec: SourceSpec,
    *,
    references: References,
    artifacts: ArtifactCache,
    work_dir: Path,
    passed_on: Mapping[str, str] | None = None,
    accepted: Commit | None = None,
    access: Access = no_access,
) -> Source:
    """Return the source of `spec`; repositories are mirrored under `work_dir`, `passed_on` may hold SSH_AUTH_SOCK.

    `accepted` is the commit of a repository that was believed last, `access` names the operator's files for its host.
    """
    if isinstance(spec, FolderSpec):
        return FolderSource(spec, references, artifacts)
    return GitSource(spec, work_dir, references, artifacts, passed_on=passed_on, accepted=accepted, access=access)

"""Two revisions of deployments → everything in which they differ: content, grants, limits, and what they export.

`airs diff` shows it. The names are those of a plan, and whether callers break is decided as for one.
"""

from collections.abc import Callable

from orchestrator.interface.changes import Comparison, compare
from orchestrator.model.base import Value
from orchestrator.model.spec import Revision
from orchestrator.model.world import World
from orchestrator.plan.action import CapabilityChange, FieldChange
from orchestrator.plan.differences import granted, revision_changes


class NumberedRevision(Value, frozen=True):
    """One entry of a deployment's history, as it was named."""

    namespace: str
    name: str
    number: int
    version: str
    revision: str


class RevisionDiff(Value, frozen=True):
    """The differences from `old` to `new`; `changes` are fields as a manifest or a Component.toml names them.

    `world` compares imports and exports; None where the artifacts are the same, or where `unknown` names one whose
    world is not known here.
    """

    old: NumberedRevision
    new: NumberedRevision
    same: bool
    changes: tuple[FieldChange, ...] = ()
    capabilities: tuple[CapabilityChange, ...] = ()
    world: Comparison | None = None
    unknown: tuple[str, ...] = ()


def compare_revisions(
    old: tuple[NumberedRevision, Revision], new: tuple[NumberedRevision, Revision],
    world_of: Callable[[str], World | None],
) -> RevisionDiff:  # fmt: skip
    """Compare two revisions, of one deployment or of two."""
    (one, before), (other, after) = old, new
    worlds = [world_of(revision.artifact) for revision in (before, after)] if before.artifact != after.artifact else []
    unknown = [r.artifact for r, world in zip((before, after), worlds, strict=False) if world is None]
    known = [world for world in worlds if world is not None]
    return RevisionDiff(
        old=one, new=other, same=before.id == after.id, changes=(*_version(before, after), *_fields(before, after)),
        capabilities=_capabilities(before, after), world=compare(*known) if len(known) == len((old, new)) else None,
        unknown=tuple(unknown),
    )  # fmt: skip


def _version(old: Revision, new: Revision) -> tuple[FieldChange, ...]:
    return () if old.version == new.version else (FieldChange(field="version", old=old.version, new=new.version),)


def _fields(old: Revision, new: Revision) -> tuple[FieldChange, ...]:
    codecs = tuple(", ".join(revision.accepts) for revision in (old, new))
    accepts = (FieldChange(field="codec.accepts", old=codecs[0], new=codecs[1]),) if codecs[0] != codecs[1] else ()
    return (*revision_changes(old, new), *accepts)


def _capabilities(old: Revision, new: Revision) -> tuple[CapabilityChange, ...]:
    before, after = granted(old), granted(new)
    found = [CapabilityChange(capability=c, pattern=p, added=True) for c, p in after - before]
    found += [CapabilityChange(capability=c, pattern=p, added=False) for c, p in before - after]
    return tuple(sorted(found))

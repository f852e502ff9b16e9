"""Turns one Component.toml and the artifact it names into a component that deployments can use, or into what is wrong.

Each file is read once however many deployments name it: its diagnostics stand at its own lines, and every deployment
that names it gets the `Unusable` as one line of its own.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.interface.exports import Export, exported
from orchestrator.interface.fitness import needs_storage, unfitness, unmet_imports
from orchestrator.interface.needs import asked
from orchestrator.manifest.capabilities import CAPABILITIES
from orchestrator.manifest.check import check
from orchestrator.manifest.node import Node, Unplaced, find, items, nearest, plain, text_at
from orchestrator.manifest.paths import BadPathError
from orchestrator.manifest.printable import excerpt
from orchestrator.manifest.references import artifact_path, signatures_path
from orchestrator.manifest.toml import read_toml
from orchestrator.manifest.units import duration_ms, size_bytes
from orchestrator.manifest.versions import parse_range
from orchestrator.model.component_source import BARE_ARTIFACT, Fetched, Provenance
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.signed import Signer
from orchestrator.model.snapshot import Artifact, Content, FileEntry, Listing, Unreadable
from orchestrator.model.spec import LOG_PER_S, Limits
from orchestrator.model.world import ArtifactFault, Drive, World
from orchestrator.signing.canonical import manifest_digest
from orchestrator.signing.statement import Subject
from orchestrator.signing.verify import BrokenSignature, signatures

ROOT = "the source's root"


class Component(msgspec.Struct, frozen=True):
    """The content of a Component.toml, with units normalised. `asks` has an entry for every capability asked for."""

    name: str
    version: str
    stateful: bool
    artifact: str  # sha256:<hex>
    limits: Limits
    asks: dict[str, tuple[str, ...]]
    rationale: tuple[tuple[str, str], ...]
    drives: frozenset[Drive] = frozenset()
    exports: dict[str, Export] = {}
    accepts: tuple[str, ...] = ()  # codecs, sorted; none is any
    needed: dict[str, str] = {}  # capabilities that an imported function is denied without, and the interface it is of
    manifest: str = ""  # sha256:<hex> of the canonical Component.toml, where there are signatures on it
    signers: tuple[Signer, ...] = ()  # whose keys nobody has looked up yet
    origin: Provenance | None = None  # of one that was fetched
    requires: tuple[tuple[str, str], ...] = ()  # components by name, and the range of versions of each


class Unusable(msgspec.Struct, frozen=True):
    """The reason why a component cannot be used, as a deployment that names it says so."""

    summary: str
    detail: str = ""
    suggestion: str = ""
    is_error: bool = True  # not while it is being fetched
    is_failure: bool = False  # it was not fetched


class ComponentFile(msgspec.Struct, frozen=True):
    """The outcome of reading one Component.toml: a component or a failure, and the file's own diagnostics."""

    outcome: Component | Unusable
    diagnostics: tuple[Diagnostic, ...] = ()


def read_component(path: str, shown: str, files: dict[str, FileEntry], collided: dict[str, str]) -> ComponentFile:
    """Read the Component.toml at `path`; `collided` maps paths to others that some file systems cannot tell apart."""
    entry = files.get(path, _ABSENT)
    if path in collided:
        return ComponentFile(Unusable(collision_summary(path, collided[path]), suggestion="rename one of them"))
    if isinstance(entry, Unreadable):
        summary, hint = unreadable_summary(shown, entry, ROOT), unreadable_hint(entry, ROOT)
        kind = entry.kind
        return ComponentFile(Unusable(summary, entry.detail, hint, kind != "fetching", kind == "unfetched"))
    assert not isinstance(entry, Listing)  # which stands where no file can
    read = read_toml(entry.data)
    if read.root is None:
        return _failed(shown, list(read.problems))
    problems = [*check("component", read.root), *written_twice(read.root), *_range_problems(read.root)]
    fetched = entry.fetched if isinstance(entry, Content) else None
    artifact, artifact_problems = _artifact(path, read.root, fetched, files, collided)
    problems += artifact_problems
    if problems or artifact is None:
        return _failed(shown, problems)
    component = _component(read.root, artifact)
    if fetched is None:
        return _with_signatures(path, shown, component, plain(read.root), files)
    component = msgspec.structs.replace(component, origin=fetched.origin)
    result = _with_signatures(path, shown, component, plain(read.root), files)
    return ComponentFile(result.outcome, (*_told_of(fetched), *result.diagnostics))


def _told_of(fetched: Fetched) -> Iterator[Diagnostic]:
    if fetched.warning:
        yield Unplaced(0, 0, fetched.warning, is_error=False).within(fetched.shown)


def subject_of(component: Component, document: object) -> Subject:
    """Name the package that signatures on a component are about; `document` is its Component.toml as data."""
    assert isinstance(document, dict)  # the schema wants a table
    return Subject(component.artifact, manifest_digest(document), component.name, component.version)


def _with_signatures(
    path: str, shown: str, component: Component, document: object, files: dict[str, FileEntry]
) -> ComponentFile:
    """Add the component's signers; signatures of which not one is good are an error, for it is not what was signed."""
    entry, beside = files.get(signatures_path(path), _ABSENT), signatures_path(shown)
    if isinstance(entry, Unreadable):
        if entry.kind == "missing":
            return ComponentFile(component)
        summary, hint = unreadable_summary(beside, entry, ROOT), unreadable_hint(entry, ROOT)
        return _failed(beside, [Unplaced(0, 0, summary, entry.detail, hint)])
    assert not isinstance(entry, Listing)
    subject = subject_of(component, document)
    found = signatures(entry.data, subject)
    problems = [_broken(one, is_error=not found.signers) for one in found.broken]
    if not found.signers:
        return _failed(beside, problems)
    signed = msgspec.structs.replace(component, manifest=subject.manifest, signers=found.signers)
    return ComponentFile(signed, tuple(problem.within(beside) for problem in problems))


def _broken(broken: BrokenSignature, *, is_error: bool) -> Unplaced:
    summary = f"signature broken: {excerpt(broken.why).strip('`')}"
    detail = f"It is said to be of key {broken.key_id}." if broken.key_id else ""
    return Unplaced(broken.line, 1, summary, detail, "sign it again with `airs sign`, or remove this line", is_error)


def collision_summary(path: str, other: str) -> str:
    """Say that two paths are one on some file systems."""
    return f"{excerpt(path)} and {excerpt(other)} are one file where letter case or accents do not count"


def unreadable_summary(shown: str, entry: Unreadable, inside: str) -> str:
    """Say why a path could not be read; `inside` is where it has to lie."""
    return f"{excerpt(shown)} {_UNREADABLE.get(entry.kind, _UNREADABLE['io'])[0].format(inside=inside)}"


def unreadable_hint(entry: Unreadable, inside: str) -> str:
    """Say what to do about a path that could not be read; `inside` is where it has to lie."""
    return _UNREADABLE.get(entry.kind, _UNREADABLE["io"])[1].format(inside=inside)


_ABSENT = Unreadable("missing", "")
_OWN_FOLDER = "its component's folder"
_UNREADABLE = {
    "missing": ("does not exist", "check the path; it is relative to the file it is written in"),
    "submodule": (
        "lies in a git submodule, which is not there",
        "run `git submodule update --init`; a git source reads no submodules, so keep the component in the repository",
    ),
    "misnamed": ("is not read: the name of a manifest ends in `.yaml` or `.yml`", "rename it"),
    "escapes": ("leads out of {inside}", "keep it inside {inside}, links included"),
    "link": ("is a link that cannot be followed", "replace it by the file"),
    "too-large": ("is too large", "make it smaller"),
    "not-a-file": ("is not a file", "name a file"),
    "io": ("could not be read", "check its name and its permissions"),
    "fetching": ("is being fetched", "it is looked at again as soon as it is there"),
    "unfetched": ("cannot be fetched", "it is tried again; a component that runs goes on"),
    "unusable": ("was fetched, but is no component", "name another one"),
}


def _failed(shown: str, problems: list[Unplaced]) -> ComponentFile:
    ordered = sorted(problems)
    first = ordered[0].within(shown)
    more = f" ({len(ordered) - 1} more there)" if len(ordered) > 1 else ""
    summary = f"its component cannot be used: {first.summary}"
    failure = Unusable(summary, f"See {first.location}{more}. {first.detail}".rstrip(), first.suggestion)
    return ComponentFile(failure, tuple(problem.within(shown) for problem in ordered))


def written_twice(root: Node) -> list[Unplaced]:
    """Return the capabilities that are asked for both with and without quotes."""
    asked = find(root, "capabilities")
    twice = [name for name in CAPABILITIES if find(asked, name) and find(asked, *name.split("."))]
    return [
        Unplaced(*nearest(root, "capabilities", name), f"`{name}` is asked for twice, with and without quotes")
        for name in twice
    ]


def _artifact(
    path: str, root: Node, fetched: Fetched | None, files: dict[str, FileEntry], collided: dict[str, str]
) -> tuple[Artifact | None, list[Unplaced]]:
    written = text_at(root, "artifact", "path") or (BARE_ARTIFACT if fetched is not None else "")
    if not written:
        return None, [*_missing_path(root)]
    place = nearest(root, "artifact", "path")
    try:
        target = artifact_path(path, written)
    except BadPathError as error:
        summary = f"`artifact.path` is {excerpt(written)}: {error}"
        return None, [Unplaced(*place, summary, suggestion="put the artifact beside its Component.toml, or below")]
    if target in collided:
        return None, [Unplaced(*place, collision_summary(target, collided[target]), suggestion="rename one of them")]
    entry = files.get(target, _ABSENT)
    if isinstance(entry, Unreadable):
        summary = unreadable_summary(written, entry, _OWN_FOLDER)
        return None, [Unplaced(*place, summary, entry.detail, unreadable_hint(entry, _OWN_FOLDER))]
    if not isinstance(entry, Artifact):
        return None, [Unplaced(*place, f"{excerpt(written)} is not a wasm file")]
    return entry, [*_digest_problems(root, entry), *_world_problems(root, target, entry.world, files)]


def _missing_path(root: Node) -> Iterator[Unplaced]:
    """Say that an artifact is not named; one that is named wrongly, the schema tells of."""
    if find(root, "artifact") is None:
        yield Unplaced(*root.place, "`artifact` is missing", suggestion="add `artifact`")
    elif find(root, "artifact", "path") is None and isinstance(root.value, dict):
        place = nearest(root, "artifact")
        yield Unplaced(*place, "`artifact.path` is missing", suggestion="add `path`")


def _digest_problems(root: Node, artifact: Artifact) -> list[Unplaced]:
    wanted = text_at(root, "artifact", "sha256")
    if wanted is None or f"sha256:{wanted}" == artifact.digest:
        return []
    place = nearest(root, "artifact", "sha256")
    detail = f"The file's digest is {artifact.digest.removeprefix('sha256:')}."
    return [
        Unplaced(*place, "the artifact is not the one `artifact.sha256` names", detail, "rebuild it, or correct it")
    ]


def _world_problems(root: Node, path: str, world: World | ArtifactFault, files: dict[str, FileEntry]) -> list[Unplaced]:
    place = nearest(root, "artifact", "path")
    if isinstance(world, ArtifactFault):
        return [Unplaced(*place, world.summary, world.detail, world.suggestion)]
    exporters = _exporters(path, files) if unmet_imports(world) else {}
    problems = [Unplaced(*place, u.summary, u.detail, u.suggestion) for u in unfitness(world, exporters, excerpt)]
    if needs_storage(world) and find(root, "resources", "storage") is None:
        summary = "the component imports storage, but has no storage quota"
        problems.append(
            Unplaced(*nearest(root, "resources"), summary, suggestion='add `storage = "10MiB"` to [resources]')
        )
    return problems


def _exporters(path: str, files: dict[str, FileEntry]) -> dict[str, list[str]]:
    """Return which other artifacts of the snapshot export each interface."""
    found: dict[str, list[str]] = {}
    for other, entry in files.items():
        if other != path and isinstance(entry, Artifact) and isinstance(entry.world, World):
            for interface in entry.world.types.exports:
                found.setdefault(interface.name, []).append(excerpt(other))
    return found


def _component(root: Node, artifact: Artifact) -> Component:
    return Component(
        name=text_at(root, "package", "name") or "",
        version=text_at(root, "package", "version") or "",
        stateful=_value(root, "package", "stateful") is True,
        artifact=artifact.digest,
        limits=_limits(root),
        asks={name: asked for name in CAPABILITIES if (asked := _asked(root, name))},
        rationale=_rationale(root),
        drives=artifact.world.drives if isinstance(artifact.world, World) else frozenset(),
        exports=_exports(artifact.world),
        accepts=tuple(sorted(str(one.value) for one in items(find(root, "codec", "accepts")))),
        requires=tuple(sorted(_required(root))),
        needed=_needed(artifact.world),
    )


def _required(root: Node) -> Iterator[tuple[str, str]]:
    found = find(root, "dependencies")
    if found is not None and isinstance(found.value, dict):
        yield from ((name, node.value) for name, node in found.value.items() if isinstance(node.value, str))


def _range_problems(root: Node) -> Iterator[Unplaced]:
    for name, written in _required(root):
        try:
            parse_range(written)
        except ValueError:
            summary = f"`dependencies.{name}` is {excerpt(written)}, which is not a version range"
            hint = "write `^2.1`, `~1.2.3`, `>=1, <2`, `1.4.0` or `*`"
            yield Unplaced(*nearest(root, "dependencies", name), summary, suggestion=hint)


def _exports(world: World | ArtifactFault) -> dict[str, Export]:
    return {one.name: one for one in exported(world.types)} if isinstance(world, World) else {}


def _needed(world: World | ArtifactFault) -> dict[str, str]:
    found = asked(world) if isinstance(world, World) else ()
    return {grant: one.interface for one in found for grant in one.grants}


def _limits(root: Node) -> Limits:
    fuel = _value(root, "resources", "fuel")
    storage = text_at(root, "resources", "storage")
    log = _value(root, "resources", "log")
    return Limits(
        memory_bytes=size_bytes(text_at(root, "resources", "memory") or ""),
        fuel=fuel if isinstance(fuel, int) else 0,
        timeout_ms=duration_ms(text_at(root, "resources", "timeout") or ""),
        storage_bytes=None if storage is None else size_bytes(storage),
        log_per_s=log if isinstance(log, int) else LOG_PER_S,
    )


def _value(root: Node, *path: str) -> object:
    node = find(root, *path)
    return node.value if node is not None else None


def _asked(root: Node, capability: str) -> tuple[str, ...]:
    asked = find(root, "capabilities", capability) or find(root, "capabilities", *capability.split("."))
    return tuple(sorted(item.value for item in items(asked) if isinstance(item.value, str)))


def _rationale(root: Node) -> tuple[tuple[str, str], ...]:
    reasons = find(root, "capabilities", "rationale")
    if reasons is None or not isinstance(reasons.value, dict):
        return ()
    return tuple(sorted((name, node.value) for name, node in reasons.value.items() if isinstance(node.value, str)))

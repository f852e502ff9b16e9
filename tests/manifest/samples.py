"""Snapshots built in memory: a good Component.toml, a good deployment, and what goes around them."""

from orchestrator.manifest import references, resolve
from orchestrator.model.snapshot import Artifact, Content, FileEntry, Listing, Snapshot, Unreadable
from orchestrator.model.world import Drive, Import, World

ACTOR = World(imports=(), exports=(), drives=frozenset({Drive.ACTOR}))
DIGEST = "sha256:" + "ab" * 32
WASM = Artifact(digest=DIGEST, data=b"", world=ACTOR)
TOML_PATH = "components/counter/Component.toml"
WASM_PATH = "components/counter/counter.wasm"
SIGNATURES_PATH = "components/counter/Component.toml.dsse"

TOML = """\
manifest-version = 1

[package]
name = "counter"
version = "1.4.0"

[artifact]
path = "counter.wasm"

[resources]
memory = "16MiB"
fuel = 50_000_000
timeout = "2s"
storage = "10MiB"

[capabilities]
storage.read = ["self"]
"storage.write" = ["self"]
messaging.send = ["ledger", "billing/*"]

[capabilities.rationale]
"storage.read" = "Remembers the count"
"""


def deployment(name: str = "counter", spec: str = "") -> str:
    """Write a deployment of the counter; `spec` is indented by two already."""
    head = "apiVersion: airs.dev/v1\nkind: Deployment\nmetadata: {name: " + name + "}\nspec:\n"
    return head + "  component: {path: ../components/counter}\n" + spec


def world(*imports: str, drives: frozenset[Drive] = frozenset({Drive.ACTOR})) -> World:
    return World(imports=tuple(Import(interface=i, functions=()) for i in sorted(imports)), exports=(), drives=drives)


def snapshot(manifests, toml: str | bytes | FileEntry = TOML, wasm: FileEntry = WASM, **extra: FileEntry) -> Snapshot:
    """Build a snapshot; a manifest or the Component.toml is text, bytes or an entry of its own."""
    if not isinstance(manifests, dict):
        manifests = {"app.yaml": manifests}
    files = {f"manifests/{name}": _entry(content) for name, content in manifests.items()}
    names = tuple(sorted(files))
    files |= {TOML_PATH: _entry(toml), WASM_PATH: wasm} | extra
    return Snapshot(
        source="test", root="/r", root_reason="given", folder="manifests", manifests=names, files=files, display="./"
    )


def _entry(content: str | bytes | FileEntry) -> FileEntry:
    if isinstance(content, str):
        return Content(data=content.encode())
    return Content(data=content) if isinstance(content, bytes) else content


def said(resolution) -> list[str]:
    """Every diagnostic as `file:line:column: summary`, a warning marked."""
    return [f"{d.location}: {'' if d.is_error else 'warning: '}{d.summary}" for d in resolution.diagnostics]


def diagnose(manifests, toml: str | bytes | FileEntry = TOML, wasm: FileEntry = WASM, **extra: FileEntry) -> list[str]:
    return said(resolve(snapshot(manifests, toml, wasm, **extra)))


def overlay(spec: str, name: str = "dev") -> str:
    """Write an overlay; `spec` is written without indentation."""
    head = "apiVersion: airs.dev/v1\nkind: Overlay\nmetadata: {name: " + name + "}\nspec:\n"
    return head + "".join(f"  {line}\n" for line in spec.splitlines())


def repository(texts: dict[str, str | bytes], *manifests: str, **extra: FileEntry) -> Snapshot:
    """Build the snapshot of a folder in a repository, as a source reads it: bases are listed, what is named is read.

    `texts` are files by path, to which the good component is added; `manifests` are those that the source deploys,
    all but those in `base/` if none is named.
    """
    held: dict[str, FileEntry] = {path: _entry(text) for path, text in texts.items()}
    held = {TOML_PATH: Content(TOML.encode()), WASM_PATH: WASM, **held, **extra}
    names = tuple(sorted(manifests or (path for path in texts if not path.startswith(("base", "components")))))
    files = {path: held[path] for path in names}
    asked: set[str] = set()
    while new := files.keys() - asked:
        asked |= new
        for one in references({path: files[path] for path in sorted(new)}, [p for p in new if p.endswith(".yaml")]):
            if one.is_folder:
                listed = sorted(p for p in held if p.startswith(one.path.lstrip("/")) and p.endswith(".yaml"))
                files.setdefault(one.path, Listing(tuple(listed)) if listed else Unreadable("missing", ""))
                files |= {path: held[path] for path in listed if path not in files}
            elif one.path in held or one.confined_to is not None:
                files.setdefault(one.path, held.get(one.path, Unreadable("missing", "")))
    return Snapshot(source="test", root="/r", root_reason="given", folder="", manifests=names, files=files)

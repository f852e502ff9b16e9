"""Whatever happens to a folder, reading and resolving what changed comes to the same as reading everything anew."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.manifest import Resolver, references, resolve
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Unknown
from orchestrator.model.source import FolderSpec
from orchestrator.model.world import ArtifactFault, World
from orchestrator.source import folder as folder_module
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.folder import FolderSource
from orchestrator.source.settled import SettledSource
from orchestrator.source.spec import parse_source
from tests.manifest.samples import ACTOR, TOML, deployment, overlay

GROUP = "  group: {name: g, strategy: %s}\n"
TEXTS = [
    deployment("a"),
    deployment("a", "  replicas: 2\n"),
    deployment("a", "  replicas: 3\n"),
    deployment("b").replace("/counter", "/other"),
    deployment("b", "  dependsOn: [a]\n"),
    deployment("b", "  dependsOn: [c]\n"),
    deployment("a", "  dependsOn: [b]\n") + "---\n" + deployment("c"),
    deployment("c", GROUP % "one-for-all"),
    deployment("d", GROUP % "rest-for-one"),
    deployment("d", GROUP % "rest-for-one" + "  replicas: 2\n"),
    deployment("d").replace("/counter", "/countr"),
    deployment("d", "  x: 1\n"),
    "kind: [",
    "",
]
MANIFESTS = ["manifests/a.yaml", "manifests/b.yaml", "manifests/c.YAML", "manifests/sub/a.yaml", "manifests/.h/a.yaml"]
MOVED = ["manifests/sub", "manifests/deep/er", "components/other", "elsewhere", "base/sub"]
FILES = [
    ("components/counter/Component.toml", TOML),
    ("components/counter/Component.toml", TOML.replace("1.4.0", "1.5.0")),
    ("components/other/Component.toml", TOML.replace('"counter"', '"other"', 1)),
    ("components/counter/counter.wasm", "wasm 1"),
    ("components/counter/counter.wasm", "wasm 2"),
    ("components/counter/counter.wasm", "none"),
    ("components/other/counter.wasm", "wasm 3"),
    ("components/counter/Component.toml.dsse", "{}"),
    ("manifests/notes.txt", "nothing"),
]
PATCHED = overlay("bases: [../base]\nnamePrefix: x-\npatches: {a: {spec: {replicas: 7}}}")
PINNED = overlay("bases: [../base]\nnamespace: pinned\ncomponents: {counter: {path: ../components/other}}")
BASES = ["base/a.yaml", "base/sub/b.yaml", "base/c.YAML"]
OVERLAYS = [
    *(
        ("manifests/env2.yaml", overlay(f"bases: [{bases}]\nnamePrefix: z-"))
        for bases in ("../base", "../base/sub", "sub")
    ),
    *(("manifests/env.yaml", text) for text in (PATCHED, PINNED, PATCHED + "---\n" + PINNED, "")),
    *(
        ("base/sub/inner.yaml", overlay(f"bases: [../../{folder}]\nnamePrefix: y-"))
        for folder in ("manifests/sub", "base")
    ),
]
FAULT = ArtifactFault("not a component")  # equal to itself alone
KNOWN = (DeploymentKey("default", "c"),)

Report = set[str] | None  # what a watch says of a step: the files that may be others, or any
Step = Callable[[Path], Report]


def wrote(path: str, text: str) -> Step:
    def step(root: Path) -> Report:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if (root / path).is_dir() or ((root / path).is_symlink() and not (root / path).is_file()):
            return set()
        is_new = not (root / path).exists()
        (root / path).write_text(text)
        return None if is_new else {path}

    return step


def replaced(path: str, text: str) -> Step:
    """Write beside and rename, as editors do; a watch reports it, and the directory's times tell as well."""

    def step(root: Path) -> Report:
        if not (root / path).parent.is_dir() or (root / path).is_dir():
            return set()
        (root / "scratch").write_text(text)
        os.replace(root / "scratch", root / path)
        return {path}

    return step


def removed(path: str) -> Step:
    def step(root: Path) -> Report:
        (root / path).unlink(missing_ok=True)
        return {path}

    return step


def renamed(path: str, to: str) -> Step:
    def step(root: Path) -> Report:
        if not (root / path).is_file() or not (root / to).parent.is_dir():
            return set()
        os.replace(root / path, root / to)
        return {path, to}

    return step


def moved(path: str, to: str) -> Step:
    def step(root: Path) -> Report:
        if (root / path).is_dir() and not (root / to).exists() and not f"{to}/".startswith(f"{path}/"):
            (root / to).parent.mkdir(parents=True, exist_ok=True)
            (root / path).rename(root / to)
        return None

    return step


def linked(path: str, to: str) -> Step:
    def step(root: Path) -> Report:
        if (root / path).parent.is_dir() and not (root / path).is_dir():
            (root / path).unlink(missing_ok=True)
            (root / path).symlink_to(os.path.relpath(root / to, (root / path).parent))
        return None

    return step


one_of = st.sampled_from(MANIFESTS)
STEPS = st.one_of(
    st.builds(wrote, one_of, st.sampled_from(TEXTS)),
    st.builds(wrote, st.sampled_from(MANIFESTS[:2]), st.sampled_from(TEXTS[:3])),
    st.builds(replaced, one_of, st.sampled_from(TEXTS)),
    st.builds(removed, one_of),
    st.builds(renamed, one_of, one_of),
    st.builds(moved, st.sampled_from(MOVED), st.sampled_from(MOVED)),
    st.builds(linked, one_of, one_of),
    st.sampled_from(FILES).map(lambda file: wrote(*file)),
    st.sampled_from(FILES).map(lambda file: removed(file[0])),
    st.builds(wrote, st.sampled_from(BASES), st.sampled_from(TEXTS)),
    st.builds(replaced, st.sampled_from(BASES), st.sampled_from(TEXTS[:5])),
    st.builds(renamed, st.sampled_from(BASES), st.sampled_from(BASES)),
    st.sampled_from(OVERLAYS).map(lambda file: wrote(*file)),
    st.sampled_from([*BASES, *(file for file, _ in OVERLAYS)]).map(removed),
)


def inspect(data: bytes, _name: str) -> World:
    if not data.startswith(b"wasm"):
        raise FAULT
    return ACTOR


@pytest.fixture(params=["as it is", "grown old"], autouse=True)
def age(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """A file that is young is read again and a directory listed again; here, there are those that are not, too."""
    before = folder_module.YOUNG_NS
    if request.param == "grown old":
        if not _every_change_shows(tmp_path / "probe"):
            pytest.skip("this file system shows no two changes within a moment")
        folder_module.YOUNG_NS = -(1 << 62)
    yield
    folder_module.YOUNG_NS = before


def _every_change_shows(probe: Path) -> bool:
    seen = set()
    for count in range(100):
        probe.write_text(str(count % 10))
        seen.add(probe.stat().st_mtime_ns)
    return len(seen) == 100


def _has_links(root: Path) -> bool:
    return any(path.is_symlink() for path in root.rglob("*"))


def begun() -> Path:
    root = Path(tempfile.mkdtemp(prefix="airs-"))
    (root / "manifests").mkdir()
    for path, text in [(MANIFESTS[0], TEXTS[0]), FILES[0], FILES[3]]:
        wrote(path, text)(root)
    return root


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=10), st.booleans(), st.booleans())
def test_looking_at_what_changed_comes_to_what_reading_all_does(
    steps: list[Step], is_one_file: bool, has_overlay: bool
):
    root = begun()
    for path, text in [(BASES[0], TEXTS[0]), (BASES[1], TEXTS[4]), OVERLAYS[2]] if has_overlay else ():
        wrote(path, text)(root)
    try:
        place = root / (MANIFESTS[0] if is_one_file else "manifests")
        spec = parse_source(str(place), root=str(root), cwd=root)
        assert isinstance(spec, FolderSpec)
        kept, resolver = FolderSource(spec, references, ArtifactCache(inspect)), Resolver()
        reports: list[Report] = [None]
        for step in [lambda _: set(), *steps]:
            had_links = _has_links(root)
            reported = step(root)
            reports.append(None if had_links else reported)  # what a link leads to may be any file
            answer = kept.glance(None if None in reports else frozenset().union(*reports))
            anew = FolderSource(spec, references, ArtifactCache(inspect)).glance()
            assert type(answer) is type(anew)
            if isinstance(answer, Unknown) or isinstance(anew, Unknown):
                continue
            assert answer.snapshot == anew.snapshot
            assert resolver.resolve(answer.snapshot, KNOWN) == resolve(anew.snapshot, KNOWN)
            reports.clear()
    finally:
        shutil.rmtree(root)


def test_nothing_that_changed_is_the_very_same_snapshot():
    root = begun()
    spec = parse_source(str(root / "manifests"), root=str(root), cwd=root)
    assert isinstance(spec, FolderSpec)
    source = FolderSource(spec, references, ArtifactCache(inspect))
    first, again = source.glance(), source.glance(frozenset({MANIFESTS[0]}))
    assert not isinstance(first, Unknown)
    assert not isinstance(again, Unknown)
    assert first.snapshot is again.snapshot
    shutil.rmtree(root)


def test_what_is_reported_between_two_looks_is_looked_at_by_the_second():
    root = begun()
    wrote(MANIFESTS[1], TEXTS[3])(root)
    spec = parse_source(str(root / "manifests"), root=str(root), cwd=root)
    assert isinstance(spec, FolderSpec)
    asked = [frozenset({MANIFESTS[1]})]

    def wait(_seconds: float) -> bool:
        if asked and len(waits) == 1:
            (root / MANIFESTS[1]).write_text(TEXTS[4])
        waits.append(_seconds)
        return False

    waits: list[float] = []
    source = SettledSource(FolderSource(spec, references, ArtifactCache(inspect)).glance, wait)
    source.read()
    (root / MANIFESTS[0]).write_text(TEXTS[1])
    answer = source.read(frozenset({MANIFESTS[0]}), lambda: asked.pop() if asked else frozenset())
    assert not isinstance(answer, Unknown)
    texts = [entry.data.decode() for path, entry in sorted(answer.snapshot.files.items()) if path in MANIFESTS]  # type: ignore[union-attr]
    assert texts == [TEXTS[1], TEXTS[4]]
    shutil.rmtree(root)

"""Whatever the bytes, the loader neither raises nor forgets what it could not read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.manifest import references, resolve
from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.toml import read_toml
from tests.manifest.samples import TOML, deployment, diagnose, snapshot
from tests.manifest.test_resolve import ELSEWHERE, FULL

SEEDS = [FULL, deployment() + "---\n" + deployment("b", "  dependsOn: [counter]\n"), "a: &a [1]\nb: {c: *a, <<: *a}\n"]
BITS = st.sampled_from(
    [
        *rb"[ { *a !!int --- ... - ' \u # | > % << .inf ]] ? ! @ ` ~ , : = [[ a.b.c".split(b" "),
        *(b'"', b'"""', b"'''", b"&a ", b"\n---\n", b"\n...\n", b"\n", b"\t", b"\r", b": ", b"- ", b"? "),
        *(b"\0", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"9" * 400, b"1979-05-27 07:32"),
    ]
)


@st.composite
def mutated(draw, seeds):
    data = bytearray(draw(st.sampled_from(seeds)).encode())
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from([0, 0, 1, 5, 40]))
        data[at : at + cut] = draw(BITS | st.binary(max_size=3))
    return bytes(data)


def plausible(resolution, text: bytes):
    lines = max(text.replace(b"\r", b"\n").count(b"\n"), TOML.count("\n")) + 2
    for diagnostic in resolution.diagnostics:
        assert diagnostic.location.line <= lines
        assert diagnostic.summary.isprintable()
        assert len(diagnostic.summary) < 500


@settings(max_examples=250, deadline=None)
@given(mutated(SEEDS))
def test_a_mutated_manifest_never_crashes_and_never_vanishes(data):
    snap = snapshot({"app.yaml": data, "b.yaml": deployment("bystander")})
    references(snap.files, snap.manifests)
    resolution = resolve(snap, ELSEWHERE)
    plausible(resolution, data)
    desired = resolution.desired
    told = {d.key for d in desired.deployments if d.file.endswith("app.yaml")} | set(desired.invalid)
    assert told or desired.unreadable_files or resolution.diagnostics
    bystander = [*desired.deployments, *desired.invalid]
    assert any("bystander" in str(b) for b in bystander)


@settings(max_examples=250, deadline=None)
@given(mutated([TOML]))
def test_a_mutated_component_file_never_crashes(data):
    snap = snapshot(deployment(), data)
    references(snap.files, snap.manifests)
    resolution = resolve(snap)
    plausible(resolution, data)
    assert len(resolution.desired.deployments) + len(resolution.desired.invalid) == 1
    assert bool(resolution.desired.invalid) == any(d.is_error for d in resolution.diagnostics)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="[]{}:,-?*&!|>'\"#%@ \n\ta1.=\\", max_size=120).map(str.encode))
def test_random_bytes_never_crash_a_reader(data):
    read_documents(data)
    read_toml(data)


@pytest.mark.parametrize("filler", ['\\"""', "[", "{a=", "'''", '"', "\\", "a.", "[[a]]\n", "x = {}\n", "#"])
def test_a_component_file_full_of_one_thing_ends(filler):
    body = 'x = """' if filler.startswith("\\") else ""
    assert diagnose(deployment(), body + filler * (60_000 // len(filler)))


@pytest.mark.parametrize(
    "filler", ["[", "{a: ", "- ", "? ", "&a ", "*a ", "!!x ", "'", '"', "|\n ", "- - \n", "a: ", "]", "%"]
)
def test_a_manifest_full_of_one_thing_ends(filler):
    assert diagnose(filler * (1_000_000 // len(filler)))

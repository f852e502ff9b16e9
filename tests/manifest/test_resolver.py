"""Resolving one snapshot after another costs what changed, and says what resolving the last by itself says."""

from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.manifest import Resolver, resolve
from orchestrator.model.snapshot import Artifact, Content, Unreadable
from tests.manifest.samples import ACTOR, TOML, TOML_PATH, WASM, WASM_PATH, deployment, snapshot

GROUP = "  group: {name: g, strategy: %s}\n"
TEXTS = [
    deployment("a"),
    deployment("a", "  replicas: 2\n"),
    deployment("b", "  dependsOn: [a]\n"),
    deployment("b", "  dependsOn: [x]\n"),
    deployment("a", "  dependsOn: [b]\n") + "---\n" + deployment("c"),
    deployment("c", GROUP % "one-for-all"),
    deployment("d", GROUP % "rest-for-one"),
    deployment("d", GROUP % "one-for-all"),
    deployment("d", "  x: 1\n"),
    "kind: [",
    "",
]
TOMLS = [TOML, TOML.replace("1.4.0", "1.5.0"), TOML.replace('"2s"', '"3s"'), TOML + "x = 1\n"]
WASMS = [WASM, Artifact(digest="sha256:" + "cd" * 32, data=b"", world=ACTOR), Unreadable("missing", "")]
ODD_NAMES = st.sampled_from(["a.yaml", "b.yaml", "A.yaml", "c.yaml"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(ODD_NAMES, st.sampled_from(TEXTS), max_size=4),
            st.sampled_from(TOMLS),
            st.sampled_from(WASMS),
        ),
        min_size=2,
        max_size=5,
    )
)
def test_a_later_snapshot_resolves_as_it_does_by_itself(steps):
    resolver = Resolver()
    for files, toml, wasm in steps:
        snap = snapshot(files, toml, wasm)
        assert resolver.resolve(snap) == resolve(snap)


@pytest.mark.parametrize("beside", [deployment("a", "  dependsOn: [b]\n"), deployment("c", GROUP % "one-for-all")])
def test_each_edit_of_a_manifest_resolves_as_it_does_by_itself(beside: str):
    for one, other in product(TEXTS, TEXTS):
        resolver = Resolver()
        for text in (one, other):
            snap = snapshot({"a.yaml": text, "b.yaml": beside})
            assert resolver.resolve(snap) == resolve(snap)


def test_only_what_changed_is_made_anew():
    files = {f"{name}.yaml": deployment(name) for name in "abc"}
    resolver = Resolver()
    before = resolver.resolve(snapshot(files)).desired.deployments
    after = resolver.resolve(snapshot(files | {"b.yaml": deployment("b", "  replicas: 2\n")})).desired.deployments
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_a_changed_component_changes_every_deployment_that_names_it():
    other = {"components/other/Component.toml": Content(TOML.encode()), "components/other/counter.wasm": WASM}
    files = {"a.yaml": deployment("a"), "b.yaml": deployment("b").replace("/counter", "/other")}
    resolver = Resolver()
    first = snapshot(files, **other)
    before = resolver.resolve(first).desired.deployments
    newer = Artifact(digest="sha256:" + "cd" * 32, data=b"", world=ACTOR)
    second = msgspec.structs.replace(first, files=first.files | {WASM_PATH: newer})
    after = resolver.resolve(second).desired.deployments
    assert [one is other for one, other in zip(before, after, strict=True)] == [False, True]
    third = msgspec.structs.replace(
        second, files=second.files | {TOML_PATH: Content(TOML.replace("2s", "1s").encode())}
    )
    assert [one.revision.limits.timeout_ms for one in resolver.resolve(third).desired.deployments] == [1_000, 2_000]


def test_each_artifact_of_one_version_is_warned_of_once_however_many_deploy_it():
    newer = Artifact(digest="sha256:" + "cd" * 32, data=b"", world=ACTOR)
    other = {"components/other/Component.toml": Content(TOML.encode()), "components/other/counter.wasm": newer}
    files = {f"a{i}.yaml": deployment(f"a{i}") for i in range(3)}
    files |= {f"b{i}.yaml": deployment(f"b{i}").replace("/counter", "/other") for i in range(3)}
    (warning,) = resolve(snapshot(files, **other)).diagnostics
    assert warning.location.file == "./manifests/b0.yaml"
    assert warning.summary == "component counter 1.4.0 has another artifact in ./manifests/a0.yaml:1:1"

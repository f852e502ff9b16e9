"""The laws of merging and rendering; and whatever the bytes, an overlay gives diagnostics, never an exception."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.manifest import Resolver, overlay_uses, resolve
from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.node import Node
from orchestrator.manifest.overlay import layers
from orchestrator.manifest.overlay.merge import equal, merged
from orchestrator.manifest.overlay.relocate import relative
from orchestrator.manifest.overlay.render import source_documents
from orchestrator.manifest.overlay.text import canonical, yaml_text
from orchestrator.manifest.paths import join_confined
from orchestrator.model.snapshot import Content
from tests.manifest.samples import deployment, overlay, repository, said
from tests.manifest.test_mutated import mutated, plausible

SCALARS = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | st.sampled_from(["no", "0x1", "1e3", "~", "-", "a: b", "# x", "\x85", "\ufeff", "*a", "2024-01-01", "<<"])  # fmt: skip # noqa: E501
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def node(value: Any) -> Node:
    if isinstance(value, dict):
        return Node({key: node(child) for key, child in value.items()}, 1, 1, dict.fromkeys(value, (1, 1)))
    return Node([node(child) for child in value], 1, 1) if isinstance(value, list) else Node(value, 1, 1)


def rfc7386(target: Any, patch: Any) -> Any:
    """The pseudo code of the RFC, word by word."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = rfc7386(target.get(name), value)
    return target


@given(VALUES, VALUES)
def test_a_merge_is_that_of_rfc_7386(base: Any, patch: Any):
    assert equal(merged(node(base), node(patch)), node(rfc7386(base, patch)))


@given(MAPPINGS, MAPPINGS)
def test_a_patch_that_was_merged_changes_nothing_more_and_an_empty_one_nothing(base: Any, patch: Any):
    once = merged(node(base), node(patch))
    assert equal(merged(once, node(patch)), once)
    assert equal(merged(node(base), node({})), node(base))


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_patches_of_different_keys_come_in_any_order(base: Any, one: Any, other: Any):
    one, other = {"x": one, **{k: v for k, v in one.items() if k == "a"}}, {"y": other}
    first = merged(merged(node(base), node(one)), node(other))
    assert equal(first, merged(merged(node(base), node(other)), node(one)))


@given(VALUES)
def test_what_is_written_reads_back_as_it_was(value: Any):
    text = yaml_text(node(value), lambda _: "")
    (document,) = read_documents(text.encode()).documents or (None,)
    assert document is not None
    assert document.problems == ()
    assert document.root is not None
    assert equal(document.root, node(value))
    assert yaml_text(canonical(document.root)) == yaml_text(canonical(node(value)))


PATHS = st.lists(st.sampled_from("abc"), max_size=4).map("/".join)


@given(PATHS, PATHS)
def test_a_path_written_from_a_folder_leads_back_to_it(folder: str, path: str):
    assert join_confined(folder, relative(folder, path)) == path


PATCHES = st.fixed_dictionaries({}, optional={
    "replicas": st.integers(0, 5) | st.none(),
    "mailbox": st.fixed_dictionaries(
        {}, optional={"capacity": st.integers(1, 9), "batch": st.integers(1, 3) | st.none()}
    ),
    "config": VALUES.filter(lambda value: "$var" not in str(value)).map(lambda value: {"k": value}),
    "priority": st.sampled_from(["high", "low"]),
})  # fmt: skip
NAMES = st.fixed_dictionaries({}, optional={"namePrefix": st.just("p-"), "labels": st.just({"env": "dev"})}) | st.just(
    {"namespace": "n"}
)


def env(spec: dict[str, Any], name: str = "o") -> bytes:
    document = {"apiVersion": "airs.dev/v1", "kind": "Overlay", "metadata": {"name": name}, "spec": spec}
    return yaml_text(node(document)).encode()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b"]), PATCHES.map(lambda spec: {"spec": spec}) | st.none()), NAMES, NAMES)
def test_what_is_rendered_is_what_is_deployed(patches: dict[str, Any], names: dict[str, Any], outer: dict[str, Any]):
    base = {
        "base/a.yaml": deployment("a", "  mailbox: {capacity: 7}\n"),
        "base/b.yaml": deployment("b", "  dependsOn: [a]\n"),
    }
    texts = {"base-inner/o.yaml": env({"bases": ["../base"], "patches": patches, **names})}
    texts["env/deep/o.yaml"] = env({"bases": ["../../base-inner"], **outer})
    snapshot = repository({**base, **texts})
    wanted = {one.key: one for one in resolve(snapshot).desired.deployments}
    documents = [one.placed("out/all.yaml") for one in source_documents(snapshot)]
    text = "---\n".join(yaml_text(canonical(one.root), one.remark) for one in documents)
    again = resolve(repository({"out/all.yaml": text or "# none\n"}))
    for one in again.desired.deployments:
        same = wanted.pop(one.key)
        assert msgspec.structs.replace(one, file="", line=0) == msgspec.structs.replace(same, file="", line=0)
    assert wanted == {}


@settings(max_examples=30, deadline=None)
@given(st.permutations(["a", "b", "c"]), st.permutations(["../base", "../base-2"]))
def test_the_order_in_which_an_overlay_is_written_does_not_matter(patches: list[str], bases: list[str]):
    base = {f"base/{name}.yaml": deployment(name) for name in "ab"} | {"base-2/c.yaml": deployment("c")}
    spec = {"bases": bases, "patches": {name: {"spec": {"replicas": ord(name) % 3}} for name in patches}}
    found = resolve(repository({"env/o.yaml": env(spec), **base}))
    usual = resolve(repository({"env/o.yaml": env({
        "bases": ["../base", "../base-2"],
        "patches": {name: {"spec": {"replicas": ord(name) % 3}} for name in "abc"},
    }), **base}))  # fmt: skip
    forget = [[msgspec.structs.replace(one, line=0) for one in each.desired.deployments] for each in (found, usual)]
    assert forget[0] == forget[1]


SEEDS = [
    overlay(
        "bases: [../base, {path: ../base-2, values: {x: 1}}]\nnamePrefix: p-\nnamespace: n\nlabels: {a: b}\n"
        "variables: {v: {type: integer, default: 3, enum: [3]}}\ncomponents: {counter: {version: '*'}}\n"
        "patches:\n  a: {spec: {replicas: {$var: v}, config: {x: [1, null]}}}\n  b: null"
    ),
    deployment("a") + "---\n" + overlay("bases: [../base]\nvariables: {x: {type: size}}"),
    deployment("b", "  dependsOn: [a]\n"),
]


@settings(max_examples=150, deadline=None)
@given(mutated(SEEDS), mutated(SEEDS), st.booleans())
def test_any_bytes_give_diagnostics_and_nothing_vanishes(one: bytes, other: bytes, is_known: bool):
    texts = {"env/o.yaml": one, "base/a.yaml": other, "base-2/b.yaml": SEEDS[1]}
    resolver, good = Resolver(), repository({**texts, "env/o.yaml": SEEDS[0]})
    if is_known:
        resolver.resolve(good)
    snapshot = repository(texts)
    resolution = resolver.resolve(snapshot)
    assert resolution == resolve(snapshot)
    plausible(resolution, one + b"\n" * 60 + other)
    overlay_uses("env/o.yaml", snapshot.files)
    source_documents(snapshot)
    desired = resolution.desired
    assert desired.deployments or desired.invalid or desired.unreadable_files or resolution.diagnostics


def test_overlays_that_treble_with_each_level_end():
    texts = {"base/l0/a.yaml": deployment("a").replace("../", "../../")}
    for level in range(1, 8):
        both = f"bases: [../l{level - 1}]\nnamePrefix: "
        texts[f"base/l{level}/o.yaml"] = "---\n".join(overlay(f"{both}{prefix}-") for prefix in "xyz")
    texts["env/o.yaml"] = overlay("bases: [../base/l7]")
    found = said(resolve(repository(texts)))
    assert {one.partition(": ")[2] for one in found} == {"an overlay comes to more than 256 overlays"}


def test_all_overlays_of_a_source_together_have_a_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layers, "SOURCE_ITEMS_MAX", 5)
    base = {f"base/{name}.yaml": deployment(name) for name in "ab"}
    texts = {f"env/{name}.yaml": overlay(f"bases: [../base]\nnamespace: {name}") for name in ("c", "d", "e")}
    resolver = Resolver()
    for _ in range(2):
        resolution = resolver.resolve(repository({**texts, **base}))
        assert said(resolution) == ["env/e.yaml:5:11: the overlays of the source come to more than 5 documents"]
        assert resolution.desired.unreadable_files == ("env/e.yaml",)
    del texts["env/c.yaml"]
    assert said(resolver.resolve(repository({**texts, **base}))) == []


def test_a_circle_of_overlays_is_told_with_its_path():
    texts = {f"base/{a}/o.yaml": overlay(f"bases: [../{b}]") for a, b in ("xy", "yz", "zx")}
    found = said(resolve(repository({"env/o.yaml": overlay("bases: [../base/x]"), **texts})))
    assert found == [
        "base/z/o.yaml:5:11: overlays go in a circle: env/o.yaml → base/x/o.yaml → base/y/o.yaml → base/z/o.yaml"
        " → base/x/o.yaml"
    ]


HOSTILE = {
    "more patches than a document holds": "bases: [../base]\npatches:\n"
    + "".join(f"  p{i}: null\n" for i in range(100_000)),
    "patches of nothing": "bases: [../base]\npatches:\n" + "".join(f"  p{i}: null\n" for i in range(9_000)),
    "deep nesting": "bases: [../base]\npatches: {a: {spec: {config: " + "{x: " * 70 + "1" + "}" * 73,
    "aliases in a patch": "bases: [../base]\npatches: {a: {spec: {config: &c {x: &y [1, 2], y: *y}}}, "
    "b: {spec: {config: *c}}}",
    "an alias that doubles": "bases: [../base]\nlabels: &a {x: y}\npatches: {a: {spec: {config: {"
    + ", ".join(f"k{i}: &x{i} [*x{i - 1}, *x{i - 1}]" if i else "k0: &x0 [1]" for i in range(30)) + "}}}}",
    "an alias as a pin": "bases: [../base]\ncomponents: {counter: &p {path: ../components/counter}, x: *p}",
    "a variable of itself": "bases: [../base]\nvariables: {v: {type: string, default: {$var: v}}}",
    "variables without an end": "bases: [../base]\nvariables: {"
    + ", ".join(f"v{i}: {{type: string, default: '{{$var: v{i + 1}}}'}}" for i in range(200)) + "}",
    "a value that is no scalar": "bases: [../base]\nvariables: {v: {type: string, default: [1]}}\n"
    "labels: {x: {$var: v}}",
    "everything null": "bases: null\nvariables: null\nlabels: null\npatches: null\ncomponents: null\nnamePrefix: null",
    "everything a list": "bases: [[]]\nvariables: []\nlabels: []\npatches: []\ncomponents: []\nnamePrefix: []",
    "everything text": "bases: x\nvariables: x\nlabels: x\npatches: x\ncomponents: x\nnamePrefix: 7",
    "a mapping of names": "bases: [{path: [..]}, {values: {}}, {path: ../base, values: [1]}, 7, null]",
    "escape codes": 'bases: ["../base", "\\e[2J"]\npatches: {"\\e[31m": null}\nlabels: {"\\u202e": "\\e"}',
}  # fmt: skip


@pytest.mark.parametrize("spec", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_overlay_ends_in_words(spec: str):
    base = {"base/a.yaml": deployment("a"), "base/b.yaml": deployment("b")}
    snapshot = repository({"env/o.yaml": overlay(spec), **base})
    resolution = resolve(snapshot)
    source_documents(snapshot)
    for one in resolution.diagnostics:
        assert one.summary.isprintable()
        assert len(one.summary) < 500
    desired = resolution.desired
    assert desired.deployments or desired.invalid or desired.unreadable_files
    assert len(resolution.diagnostics) <= 101


def test_a_remote_component_of_an_overlay_is_wanted_and_that_of_its_base_is_not():
    remote = deployment("a").replace("path: ../components/counter", "oci: {reference: 'r.example/acme/a:1'}")
    texts = {"base/a.yaml": remote, "env/o.yaml": overlay(
        "bases: [../base]\nvariables: {ref: {type: string, default: 'r.example/acme/a:2'}}\n"
        "components: {r.example/acme/a: {oci: {reference: {$var: ref}}}}"
    )}  # fmt: skip
    files = repository(texts).files
    uses = overlay_uses("env/o.yaml", files)
    assert [one.remote.reference for one in uses.components] == ["oci://r.example/acme/a:2"]
    assert {"base/", "base/a.yaml"} <= uses.needs.keys()
    assert overlay_uses("env/o.yaml", {**files, "base/a.yaml": Content(deployment("b").encode())}).components == ()


def test_paths_out_of_a_base_are_refused_as_they_are_written():
    base = {"base/a.yaml": deployment("a").replace("../components", "../../out")}
    (told,) = said(resolve(repository({"env/deep/o.yaml": overlay("bases: [../../base]"), **base})))
    assert told == "base/a.yaml:5:21: `spec.component.path` is `../../out/counter`: it leaves the root"

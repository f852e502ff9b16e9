"""What good manifests resolve to, and what a deployment and its component have to agree on."""

import random

import msgspec
import pytest

from orchestrator.manifest import Reference, references, resolve, schema_kinds, schema_text
from orchestrator.model.commit import Commit
from orchestrator.model.desired import Permissions
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Content, Snapshot
from orchestrator.model.spec import (
    LOG_PER_S,
    Analysis,
    Backoff,
    Delivery,
    Deployment,
    Grant,
    Group,
    GroupStrategy,
    HealthPolicy,
    Limits,
    Mailbox,
    PauseStep,
    RestartPolicy,
    RestartType,
    RolloutPolicy,
    Strategy,
    WeightStep,
    WhenFull,
)
from tests.manifest.samples import (
    DIGEST,
    SIGNATURES_PATH,
    TOML,
    TOML_PATH,
    WASM_PATH,
    deployment,
    diagnose,
    said,
    snapshot,
)

FULL = """\
# yaml-language-server: $schema=../schemas/deployment.schema.json
apiVersion: airs.dev/v1
kind: Deployment
metadata: {name: counter, namespace: shop, labels: {team: core, app: "1"}}
spec:
  component: {path: ../components/counter/, version: "^1.4"}
  replicas: 3
  config: {b: [1, 2.5, null], a: "0644", mode: 0644, when: 2026-01-02}
  grants:
    storage.write: [self]
    storage.read: [self]
    messaging.send: [shop/ledger, billing/vat]
  limits: {memory: 8MiB, fuel: 1000, timeout: 1500ms, storage: 1KiB}
  mailbox: {capacity: 10, batch: 5, whenFull: drop-oldest, ttl: 2s, attempts: 2, dedupe: 1m}
  delivery: at-least-once
  restart: {type: transient, intensity: 2, period: 1m, backoff: {initial: 1s, factor: 1.5, max: 1h, jitter: 0.5}}
  group: {name: books, strategy: rest-for-one, intensity: 3, period: 2m}
  dependsOn: [ledger, billing/vat, shop/ledger]
  health: {interval: 1s, timeout: 100ms, failureThreshold: 5}
  rollout:
    strategy: canary
    steps: [{weight: 10}, {pause: 30s}, {weight: 50}, {pause: {}}]
    analysis: {interval: 2s, minimumMessages: 7, failureLimit: 0, inconclusiveLimit: 9, metrics: {errorRate: {max: 0}}}
    progressDeadline: 2m
    keepPrevious: 0s
    retain: 2
  suspend: true
"""
ELSEWHERE = (DeploymentKey(namespace="shop", name="ledger"), DeploymentKey(namespace="billing", name="vat"))


def only(text: str, toml: str = TOML, known=()) -> Deployment:
    resolution = resolve(snapshot(text, toml), known)
    assert said(resolution) == []
    (found,) = resolution.desired.deployments
    return found


def test_everything_that_can_be_written_resolves_to_exact_values():
    found = only(FULL, known=ELSEWHERE)
    assert found.key == DeploymentKey(namespace="shop", name="counter")
    assert (found.file, found.line) == ("./manifests/app.yaml", 2)
    assert found.replicas == 3
    assert found.suspend is True
    assert found.labels == (("app", "1"), ("team", "core"))
    assert found.mailbox == Mailbox(
        capacity=10,
        batch=5,
        when_full=WhenFull.DROP_OLDEST,
        ttl_ms=2000,
        attempts=2,
        dedupe_ms=60_000,
        delivery=Delivery.AT_LEAST_ONCE,
    )
    assert found.restart == RestartPolicy(
        type=RestartType.TRANSIENT,
        intensity=2,
        period_ms=60_000,
        backoff=Backoff(initial_ms=1000, factor=1.5, max_ms=3_600_000, jitter=0.5),
    )
    assert found.group == Group(name="books", strategy=GroupStrategy.REST_FOR_ONE, intensity=3, period_ms=120_000)
    assert found.depends_on == tuple(sorted(ELSEWHERE))
    assert found.health == HealthPolicy(interval_ms=1000, timeout_ms=100, failure_threshold=5)
    assert found.rollout == RolloutPolicy(
        strategy=Strategy.CANARY,
        steps=(WeightStep(weight=10), PauseStep(duration_ms=30_000), WeightStep(weight=50), PauseStep()),
        analysis=Analysis(
            interval_ms=2000, minimum_messages=7, failure_limit=0, inconclusive_limit=9, error_rate_max=0.0
        ),
        progress_deadline_ms=120_000,
        keep_previous_ms=0,
        retain=2,
    )
    assert found.rationale == (("storage.read", "Remembers the count"),)


def test_a_revision_holds_what_makes_an_instance_what_it_is():
    revision = only(FULL, known=ELSEWHERE).revision
    assert (revision.component, revision.version, revision.stateful) == ("counter", "1.4.0", False)
    assert revision.artifact == DIGEST
    assert revision.config == '{"a":"0644","b":[1,2.5,null],"mode":644,"when":"2026-01-02"}'
    assert revision.grants == (
        Grant(capability="messaging.send", patterns=("billing/vat", "shop/ledger")),
        Grant(capability="storage.read", patterns=("self",)),
        Grant(capability="storage.write", patterns=("self",)),
    )
    assert revision.limits == Limits(memory_bytes=8 << 20, fuel=1000, timeout_ms=1500, storage_bytes=1024)


def test_what_is_not_written_is_the_models_default():
    found = only(deployment())
    assert found == Deployment(
        key=DeploymentKey(namespace="default", name="counter"),
        revision=found.revision,
        file="./manifests/app.yaml",
        line=1,
        rationale=found.rationale,
        asks=found.asks,
    )
    assert found.revision.config == "{}"
    assert found.revision.grants == ()
    assert found.revision.limits == Limits(
        memory_bytes=16 << 20, fuel=50_000_000, timeout_ms=2000, storage_bytes=10 << 20
    )


def test_empty_sections_are_absent_ones():
    written = only(deployment(spec="  config: {}\n  grants: {storage.read: []}\n  limits: {}\n  restart: {}\n"))
    assert written == only(deployment())


CHANGES = {
    "config": (deployment(spec="  config: {a: 1}\n"), TOML),
    "grant": (deployment(spec="  grants: {storage.read: [self]}\n"), TOML),
    "limit": (deployment(spec="  limits: {fuel: 5}\n"), TOML),
    "version": (deployment(), TOML.replace("1.4.0", "1.4.1")),
    "component": (deployment(), TOML.replace('name = "counter"', 'name = "other"')),
    "stateful": (deployment(), TOML.replace('"1.4.0"', '"1.4.0"\nstateful = true')),
}


def test_a_revisions_id_hashes_each_of_its_inputs():
    ids = {only(text, toml).revision.id for text, toml in CHANGES.values()}
    assert len(ids | {only(deployment()).revision.id}) == len(CHANGES) + 1


def test_a_revisions_id_does_not_depend_on_what_changes_in_place():
    elsewhere = deployment("other", "  replicas: 5\n  health: {interval: 9s}\n  suspend: true\n")
    assert only("\n\n" + elsewhere).revision.id == only(deployment()).revision.id


def test_one_value_written_in_two_ways_is_one_revision():
    one = only(deployment(spec="  limits: {timeout: 1s}\n  config: {a: 1, b: 2}\n"))
    other = only(deployment(spec='  config: {"b": 0x2, a: +1}\n  limits: {timeout: 1000ms}\n'))
    assert one.revision == other.revision


def test_grants_are_at_most_what_the_component_asks_for():
    text = deployment(spec="  grants:\n    messaging.send: [default/ledger, billing/*, billing/vat, other, shop/*]\n")
    resolution = resolve(snapshot(text))
    assert said(resolution) == [
        "./manifests/app.yaml:7:62: grants `messaging.send` on `other`, which counter does not ask for",
        "./manifests/app.yaml:7:69: grants `messaging.send` on `shop/*`, which counter does not ask for",
    ]
    assert resolution.diagnostics[0].detail == "For messaging.send the component asks for billing/*, ledger."


def test_capabilities_mean_the_same_with_and_without_quotes():
    quoted = TOML.replace("storage.read =", '"storage.read" =').replace("messaging.send =", '"messaging.send" =')
    text = deployment(spec="  grants: {messaging.send: [ledger], storage.read: [self], storage.write: [self]}\n")
    assert only(text, quoted) == only(text)
    twice = TOML.replace("storage.read = [", '"storage.read" = ["self"]\nstorage.read = [')
    assert diagnose(text, twice)[0] == (
        "./components/counter/Component.toml:17:18: `storage.read` is asked for twice, with and without quotes"
    )


AGREEMENTS = {
    "memory": ("  limits: {memory: 17MiB}\n", "6:20: `spec.limits.memory` is looser than the component's own; "),
    "fuel": ("  limits: {fuel: 50000001}\n", "6:18: `spec.limits.fuel` is looser than the component's own; "),
    "timeout": ("  limits: {timeout: 1m}\n", "6:21: `spec.limits.timeout` is looser than the component's own; "),
    "storage": ("  limits: {storage: 1GiB}\n", "6:21: `spec.limits.storage` is looser than the component's own; "),
    "log": ("  limits: {log: 101}\n", "6:17: `spec.limits.log` is looser than the component's own; "),
}


@pytest.mark.parametrize(("spec", "expected"), AGREEMENTS.values(), ids=AGREEMENTS.keys())
def test_limits_may_only_tighten(spec, expected):
    assert diagnose(deployment(spec=spec)) == [f"./manifests/app.yaml:{expected}limits may only tighten"]


def test_storage_cannot_be_limited_where_there_is_none():
    without = TOML.replace('storage = "10MiB"\n', "")
    assert diagnose(deployment(spec="  limits: {storage: 1KiB}\n"), without) == [
        "./manifests/app.yaml:6:21: `spec.limits.storage` limits storage that component counter does not have"
    ]
    assert only(deployment(), without).revision.limits.storage_bytes is None


def test_log_lines_have_a_limit_that_both_may_set():
    more = TOML.replace("[resources]\n", "[resources]\nlog = 500\n")
    assert only(deployment()).revision.limits.log_per_s == LOG_PER_S
    assert only(deployment(), more).revision.limits.log_per_s == 500
    assert only(deployment(spec="  limits: {log: 5}\n"), more).revision.limits.log_per_s == 5


def test_a_version_outside_the_range_is_refused():
    text = deployment().replace("counter}\n  ", "x").replace("/counter}", '/counter, version: "^2"}')
    assert diagnose(text) == ["./manifests/app.yaml:5:53: component counter has version 1.4.0, which `^2` leaves out"]


def test_a_stateful_component_runs_one_instance_and_says_why():
    stateful = TOML.replace('"1.4.0"', '"1.4.0"\nstateful = true')
    spec = "  replicas: 2\n  rollout: {strategy: canary, steps: [{weight: 5}]}\n"
    resolution = resolve(snapshot(deployment(spec=spec), stateful))
    assert said(resolution) == [
        "./manifests/app.yaml:6:13: component counter is stateful: `spec.replicas` must be 0 or 1, not 2",
        "./manifests/app.yaml:7:23: component counter is stateful: it cannot be rolled out as a canary",
    ]
    (detail,) = {d.detail for d in resolution.diagnostics}
    assert detail.startswith("Two instances that read, change and write the same data lose each other's updates.")
    assert "`routing: {policy: consistent-hash}`" in detail
    assert only(deployment(spec="  replicas: 1\n"), stateful).revision.stateful


@pytest.mark.parametrize(
    ("routing", "is_enough"),
    [
        ("{policy: consistent-hash}", True),
        ("{policy: consistent-hash, by: key}", True),
        ("{policy: consistent-hash, by: conversation}", False),
        ("{policy: round-robin}", False),
    ],
)
def test_a_stateful_component_whose_messages_have_keys_runs_in_several(routing, is_enough):
    stateful = TOML.replace('"1.4.0"', '"1.4.0"\nstateful = true')
    spec = f"  replicas: 2\n  rollout: {{strategy: canary, steps: [{{weight: 5}}]}}\n  routing: {routing}\n"
    assert len(resolve(snapshot(deployment(spec=spec), stateful)).diagnostics) == (0 if is_enough else 2)


CONTRADICTIONS = {
    "by without consistent-hash": (
        "  routing: {policy: round-robin, by: sender}\n",
        "6:38: `spec.routing.by` says what instances own, but with the policy round-robin they own nothing",
    ),
    "steps without canary": (
        "  rollout: {steps: [{weight: 5}]}\n",
        "6:20: `spec.rollout.steps` says how a canary goes, but the strategy is blue-green",
    ),
    "analysis without canary": (
        "  rollout: {strategy: recreate, analysis: {interval: 1s}}\n",
        "6:43: `spec.rollout.analysis` says how a canary goes, but the strategy is recreate",
    ),
    "canary without steps": (
        "  rollout: {strategy: canary}\n",
        "6:23: a canary needs at least one `weight` step",
    ),
    "canary of pauses": (
        "  rollout: {strategy: canary, steps: [{pause: 5s}]}\n",
        "6:38: a canary needs at least one `weight` step",
    ),
    "two things in a step": (
        "  rollout: {strategy: canary, steps: [{weight: 5, pause: {}}]}\n",
        "6:39: `spec.rollout.steps[0]` has 2 entries; at most 1 are allowed",
    ),
    "backoff": (
        "  restart: {backoff: {initial: 31s}}\n",
        "6:32: the first backoff is longer than the longest",
    ),
    "range": (
        "",
        "5:53: `spec.component.version` is `latest`, which is not a version range",
    ),
}


@pytest.mark.parametrize(("spec", "expected"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_contradictions_are_refused(spec, expected):
    text = deployment(spec=spec)
    if not spec:
        text = text.replace("/counter}", "/counter, version: latest}")
    assert diagnose(text) == [f"./manifests/app.yaml:{expected}"]


def test_every_problem_is_reported_in_one_run():
    spec = "  replica: 1\n  grants: {storage.read: [self], messaging.send: [x]}\n  restart: {period: soon}\n"
    found = diagnose({"a.yaml": deployment("a", spec), "b.yaml": deployment("b", "  dependsOn: [c]\n")})
    assert [line.split(": ")[0] for line in found] == [
        "./manifests/a.yaml:6:3",
        "./manifests/a.yaml:7:51",
        "./manifests/a.yaml:8:21",
        "./manifests/b.yaml:6:15",
    ]


@pytest.mark.parametrize(
    ("spec", "suggestion"),
    [
        ("  replica: 1\n", "did you mean `replicas`?"),
        ("  rollout: {strategy: blue_green}\n", "did you mean `blue-green`?"),
        ("  mailbox: {x: 1}\n", "known here: attempts, batch, capacity, dedupe, ttl, whenFull"),
        ("  dependsOn: [countr]\n", "did you mean `default/count`?"),
    ],
)
def test_a_slip_comes_with_a_suggestion(spec, suggestion):
    files = {"a.yaml": deployment("a", spec), "b.yaml": deployment("count")}
    assert [d.suggestion for d in resolve(snapshot(files)).diagnostics] == [suggestion]


def test_two_documents_of_one_name_are_both_refused_and_name_each_other():
    resolution = resolve(snapshot({"a.yaml": deployment(), "b.yaml": "# on\n" + deployment()}))
    assert said(resolution) == [
        "./manifests/a.yaml:1:1: deployment default/counter is written down twice, here and in ./manifests/b.yaml:2:1",
        "./manifests/b.yaml:2:1: deployment default/counter is written down twice, here and in ./manifests/a.yaml:1:1",
    ]
    assert [str(k) for k in resolution.desired.invalid] == ["default/counter"]


def test_members_that_disagree_about_their_group_are_refused_and_name_each_other():
    files = {
        "a.yaml": deployment("a", "  group: {name: g, strategy: one-for-all}\n"),
        "b.yaml": deployment("b", "  replicas: 2\n  group: {name: g}\n"),
        "c.yaml": deployment("c", "  group: {name: other}\n"),
        "d.yaml": deployment("d", "  group: {name: g}\n").replace("{name: d}", "{name: d, namespace: elsewhere}"),
    }
    resolution = resolve(snapshot(files))
    disagree = "members of group g disagree about it, here and default/{} in ./manifests/{}"
    assert said(resolution) == [
        f"./manifests/a.yaml:6:10: {disagree.format('b', 'b.yaml:7:10')}",
        f"./manifests/b.yaml:7:10: {disagree.format('a', 'a.yaml:6:10')}",
    ]
    assert [str(k) for k in resolution.desired.invalid] == ["default/a", "default/b"]
    files["b.yaml"] = deployment("b", "  group: {name: g, strategy: one-for-all, intensity: 5, period: 60s}\n")
    assert said(resolve(snapshot(files))) == []


def test_a_group_is_no_part_of_the_revision():
    assert only(deployment("a", "  group: {name: g}\n")).revision.id == only(deployment("a")).revision.id


def test_one_name_in_two_namespaces_is_two_deployments():
    other = deployment().replace("{name: counter}", "{name: counter, namespace: shop}")
    found = resolve(snapshot(deployment() + "---\n" + other)).desired.deployments
    assert [str(d.key) for d in found] == ["default/counter", "shop/counter"]


def test_an_error_in_one_document_hides_neither_the_next_nor_its_own_name():
    broken = deployment("broken", '  config: {a: "}\n')
    resolution = resolve(snapshot(broken + "---\n" + deployment("sound")))
    assert [d.key.name for d in resolution.desired.deployments] == ["sound"]
    assert [k.name for k in resolution.desired.invalid] == ["broken"]
    assert resolution.desired.deployments[0].line == 8


def test_a_document_whose_name_cannot_be_told_makes_its_file_unreadable():
    for text in ("kind: Deploymnt\n", deployment("Counter"), deployment().replace("name: counter", "nam: counter")):
        desired = resolve(snapshot({"a.yaml": text, "b.yaml": deployment()})).desired
        assert desired.unreadable_files == ("./manifests/a.yaml",)
        assert [d.key.name for d in desired.deployments] == ["counter"]


@pytest.mark.parametrize("kind", ["Policy", "Approval"])
def test_documents_of_those_in_charge_have_no_place_in_a_source(kind):
    text = f"apiVersion: airs.dev/v1\nkind: {kind}\nmetadata: {{name: x}}\n"
    resolution = resolve(snapshot({"a.yaml": text, "b.yaml": deployment()}))
    assert said(resolution) == [f"./manifests/a.yaml:2:7: a document of kind {kind} has no place in a source"]
    assert resolution.desired.unreadable_files == ()
    assert [d.key.name for d in resolution.desired.deployments] == ["counter"]


@pytest.mark.parametrize("kind", ["Route"])
def test_kinds_to_come_are_refused_in_so_many_words(kind):
    resolution = resolve(snapshot({"a.yaml": f"apiVersion: airs.dev/v1\nkind: {kind}\nmetadata: {{name: x}}\n"}))
    assert said(resolution) == [f"./manifests/a.yaml:2:7: kind {kind} is not implemented by this version"]
    assert resolution.desired.unreadable_files == ()


def test_a_component_used_a_thousand_times_is_diagnosed_once_and_each_deployment_has_its_line():
    files = {f"f{i:04}.yaml": deployment(f"n{i}") for i in range(1000)}
    found = diagnose(files, TOML.replace("fuel", "fule"))
    own = [line for line in found if line.startswith("./components")]
    assert own == [
        "./components/counter/Component.toml:10:2: `resources.fuel` is missing",
        "./components/counter/Component.toml:12:1: unknown key `fule` in `resources`",
    ]
    assert found[2] == ("./manifests/f0000.yaml:5:21: its component cannot be used: `resources.fuel` is missing")
    assert len(found) == 1002


def test_diagnostics_of_one_file_are_limited_and_counted():
    text = "---\n".join(deployment(f"n{i}", "  x: 1\n") for i in range(250))
    found = diagnose({"a.yaml": text, "b.yaml": deployment("b", "  x: 1\n")})
    assert found[100:] == ["./manifests/a.yaml: and 150 more", "./manifests/b.yaml:6:3: unknown key `x` in `spec`"]


def test_five_thousand_ordinary_documents_resolve():
    one = "---\n".join(deployment(f"a{i}", "  config: {n: 1}\n  replicas: 2\n") for i in range(2500))
    many = {f"f{i}.yaml": deployment(f"b{i}", "  restart: {period: 10s}\n") for i in range(2500)}
    resolution = resolve(snapshot({"one.yaml": one} | many))
    assert len(resolution.desired.deployments) == 5000
    assert resolution.diagnostics == ()


def test_neither_the_order_of_files_nor_of_a_dictionary_matters():
    files = {f"f{i}.yaml": deployment(f"n{i}", f"  dependsOn: [n{i + 1}]\n") for i in range(12)}
    files["x.yaml"] = deployment("n3") + "---\nkind: Route\n"
    snap = snapshot(files)
    expected = resolve(snap)
    for seed in range(10):
        entries = list(snap.files.items())
        random.Random(seed).shuffle(entries)
        names = random.Random(seed).sample(snap.manifests, len(snap.manifests))
        assert resolve(msgspec.structs.replace(snap, files=dict(entries), manifests=tuple(names))) == expected


def test_a_source_without_manifests_is_empty_and_a_broken_one_is_not():
    nothing = Snapshot(source="s", root="/", root_reason="", folder="", manifests=(), files={}, commit=Commit(id="abc"))
    desired = resolve(nothing, permissions=Permissions(allow_empty=True)).desired
    assert desired.empty
    assert (desired.source, desired.revision, desired.permissions.allow_empty) == ("s", "abc", True)
    assert desired.commit == nothing.commit
    assert not resolve(snapshot("")).desired.empty
    assert not resolve(snapshot(deployment(spec="  x: 1\n"))).desired.empty
    assert resolve(snapshot("apiVersion: airs.dev/v1\nkind: Route\n")).desired.empty


def test_references_lead_from_manifests_to_components_to_artifacts():
    snap = snapshot({"a.yaml": deployment("a") + "---\n" + deployment("b"), "bad.yaml": "["})
    manifests_only = {path: snap.files[path] for path in snap.manifests}
    first = references(manifests_only, snap.manifests)
    assert first == (Reference(path=TOML_PATH, is_artifact=False, confined_to=""),)
    second = references({TOML_PATH: snap.files[TOML_PATH]}, ())
    assert second == (
        Reference(path=SIGNATURES_PATH, is_artifact=False, confined_to=None),
        Reference(path=WASM_PATH, is_artifact=True, confined_to="components/counter"),
    )
    assert references(snap.files, snap.manifests) == first + second


@pytest.mark.parametrize("written", ["../components/counter/Component.toml", ".././components//counter/"])
def test_a_component_is_named_by_its_folder_or_its_file(written):
    text = deployment().replace("../components/counter", written)
    snap = snapshot(text)
    assert TOML_PATH in {ref.path for ref in references(snap.files, snap.manifests)}
    assert only(text).revision == only(deployment()).revision


def test_a_manifest_at_the_root_may_lie_beside_its_component():
    files = {"app.yaml": Content(data=deployment().replace("../components/counter", ".").encode())}
    assert references(files, ["app.yaml"]) == (Reference(path="Component.toml", is_artifact=False, confined_to=""),)
    files = {"Component.toml": Content(data=TOML.encode())}
    assert references(files, []) == (
        Reference(path="Component.toml.dsse", is_artifact=False, confined_to=None),
        Reference(path="counter.wasm", is_artifact=True, confined_to=""),
    )


def test_every_schema_has_a_text_and_no_other_name_has():
    assert {"component", "deployment"} <= set(schema_kinds())
    assert '"title": "Deployment"' in schema_text("deployment")
    for wrong in ("nothing", "../pyproject", "", "Deployment"):
        with pytest.raises(LookupError, match=r"there are .*component, "):
            schema_text(wrong)


def formerly(name: str, *before: str) -> str:
    """Write a deployment that had other names."""
    return deployment(name).replace("{name: " + name, "{name: " + name + ", formerly: [" + ", ".join(before) + "]")


@pytest.mark.parametrize(
    ("manifests", "told", "invalid"),
    [
        ([formerly("b", "a")], [], []),
        ([deployment("b").replace("{name: b", "{name: b, formerly: a")], [], []),
        ([formerly("b", "elsewhere/a", "c")], [], []),
        ([formerly("b", "b")], ["default/b was formerly itself"], ["b"]),
        ([deployment("a"), formerly("b", "a")], ["default/a is still there, in ./manifests/0.yaml:1:1"], ["b"]),
        (
            [formerly("a", "b"), formerly("b", "a")],
            ["default/b is still there, in ./manifests/1.yaml", "default/a is still there, in ./manifests/0.yaml"],
            ["a", "b"],
        ),
        ([formerly("b", "a"), formerly("c", "a")], ["default/a was formerly default/b as well"], ["a", "c"]),
        ([formerly("b", "A")], ["`metadata.formerly[0]` is `A`"], ["b"]),
        ([formerly("b", "a").replace("counter}", "gone}")], ["Component.toml` does not exist"], ["a", "b"]),
    ],
)  # fmt: skip
def test_a_name_before_is_nobodys_any_more_and_kept_while_the_new_one_is_invalid(manifests, told, invalid):
    found = resolve(snapshot({f"{number}.yaml": text for number, text in enumerate(manifests)}))
    assert [key.name for key in found.desired.invalid] == invalid
    assert len(found.diagnostics) == len(told)
    for diagnostic, words in zip(found.diagnostics, told, strict=True):
        assert words in diagnostic.summary or words in diagnostic.detail, diagnostic

"""An overlay comes to deployments like any others, and each problem is told where a person wrote what is wrong."""

import json

import pytest
from msgspec.structs import replace

from orchestrator.manifest import Resolver, resolve, schema_text
from orchestrator.manifest.overlay.names import EACH, FORMER, REFERENCES
from orchestrator.model.snapshot import Content, Unreadable
from tests.manifest.samples import TOML, TOML_PATH, WASM, deployment, overlay, repository, said, snapshot

BASE = {"base/a.yaml": deployment("a"), "base/b.yaml": deployment("b", "  dependsOn: [a]\n")}
TOML_2 = TOML.replace("1.4.0", "2.0.0")
OTHER = {"components/counter2/Component.toml": TOML_2, "components/counter2/counter.wasm": WASM}


def told(spec: str, base=None, **more) -> list[str]:
    """Every problem of an overlay `env/o.yaml` on a base."""
    return said(resolve(repository({"env/o.yaml": overlay(spec), **(base or BASE), **more})))


def made(spec: str, base=None, **more):
    """The deployments of an overlay, by key; nothing may be wrong with it."""
    resolution = resolve(repository({"env/o.yaml": overlay(spec), **(base or BASE), **more}))
    assert said(resolution) == []
    return {str(one.key): one for one in resolution.desired.deployments}


def test_an_overlay_deploys_its_bases_and_they_are_not_deployed_by_themselves():
    assert [*made("bases: [../base]\nnamespace: dev")] == ["dev/a", "dev/b"]


def test_what_an_overlay_comes_to_is_written_in_its_file_at_the_patch_or_else_the_base():
    found = made("bases: [../base]\npatches:\n  a: {spec: {replicas: 0}}")
    assert [(one.file, one.line) for one in found.values()] == [("env/o.yaml", 7), ("env/o.yaml", 5)]


@pytest.mark.parametrize(
    ("patch", "field", "value"),
    [
        ("{spec: {replicas: 3}}", "replicas", 3),
        ("{metadata: {labels: {x: y}}}", "labels", (("x", "y"),)),
        ("{spec: {mailbox: {capacity: 7}}}", "mailbox.capacity", 7),
        ("{spec: {mailbox: null}}", "mailbox.capacity", 1000),
        ("{spec: {mailbox: {batch: null}}}", "mailbox.batch", 1),
        ("{spec: {subscribe: [x.y]}, metadata: {}}", "subscribe", ("x.y",)),
    ],
)
def test_a_patch_is_merged_lists_are_replaced_and_null_removes(patch, field, value):
    toml = TOML.replace("[capabilities]", '[capabilities]\nmessaging.subscribe = ["**"]')
    base = deployment("a", '  mailbox: {capacity: 5, batch: 9}\n  grants: {messaging.subscribe: ["**"]}\n')
    texts = {"env/o.yaml": overlay(f"bases: [../base]\npatches: {{a: {patch}}}"), "base/a.yaml": base, TOML_PATH: toml}
    resolution = resolve(repository(texts, "env/o.yaml"))
    (one,) = resolution.desired.deployments
    for name in field.split("."):
        one = getattr(one, name)
    assert one == value


def test_names_follow_and_what_is_no_deployment_of_the_bases_stays():
    toml = TOML.replace('["ledger", "billing/*"]', '["a", "default/*", "pre-a", "new/*", "out/x", "x"]')
    grants = "  grants: {messaging.send: [a, default/*, out/x, x]}\n  group: {name: g}\n"
    base = {
        "base/a.yaml": deployment("a"),
        "base/b.yaml": deployment("b", "  dependsOn: [default/a, out/z]\n" + grants),
    }
    texts = {"env/o.yaml": overlay("bases: [../base]\nnamespace: new\nnamePrefix: pre-"), **base, TOML_PATH: toml}
    resolution = resolve(repository(texts, "env/o.yaml"), [])
    assert said(resolution) == ["base/b.yaml:6:26: depends on `out/z`, which does not exist"]
    from orchestrator.model.ids import DeploymentKey

    resolution = resolve(repository(texts, "env/o.yaml"), [DeploymentKey(namespace="out", name="z")])
    found = {one.key.name: one for one in resolution.desired.deployments}
    assert [str(key) for key in found["pre-b"].depends_on] == ["new/pre-a", "out/z"]
    (grant,) = found["pre-b"].revision.grants
    assert grant.patterns == ("new/*", "out/x", "pre-a", "x")
    assert found["pre-b"].group.name == "pre-g"


def test_every_field_of_a_deployment_that_names_another_follows_its_new_name():
    schema = json.loads(schema_text("deployment"))

    def naming(raw: dict, path: tuple[str, ...]):
        if raw.get("$ref") in ("#/$defs/qualifiedName", "#/$defs/targets"):
            yield path if raw["$ref"].endswith("qualifiedName") else (*path, EACH)
        for key, inner in raw.get("properties", {}).items():
            yield from naming(inner, (*path, key))
        if "items" in raw:
            yield from naming(raw["items"], (*path, EACH))

    assert sorted(naming(schema, ())) == sorted((*REFERENCES, FORMER)), (
        "decide whether the field follows, and say so in the docs"
    )
    base = {
        "base/a.yaml": deployment("a"),
        "base/b.yaml": deployment("b", "  uses: [{deployment: a}, {deployment: x/a}]\n"),
    }
    used = made("bases: [../base]\nnamePrefix: p-", base)["default/p-b"].uses
    assert sorted(str(one.deployment) for one in used) == ["default/p-a", "x/a"]
    renamed = {"base/a.yaml": deployment("a").replace("{name: a}", "{name: a, formerly: [old, shop/old]}")}
    former = made("bases: [../base]\nnamePrefix: p-", renamed)["default/p-a"].names_before
    assert sorted(map(str, former)) == ["default/p-old", "shop/p-old"]
    renamed = {"base/a.yaml": deployment("a").replace("{name: a}", "{name: a, formerly: old}")}
    (only,) = made("bases: [../base]\nnamePrefix: p-", renamed)["default/p-a"].names_before
    assert str(only) == "default/p-old"


def test_a_namespace_prefix_keeps_namespaces_apart():
    base = {**BASE, "base/c.yaml": deployment("c").replace("{name: c}", "{name: c, namespace: shop}")}
    assert [*made("bases: [../base]\nnamespacePrefix: dev-", base)] == ["dev-default/a", "dev-default/b", "dev-shop/c"]


VARIABLES = """\
variables:
  count: {type: integer, default: 2}
  level: {type: string, enum: [info, debug], default: info}
bases: [../base]
patches:
  a:
    spec: {replicas: {$var: count}, config: {level: {$var: level}, all: ["${count}", {$var: count}]}}
"""


def test_a_variable_is_one_whole_value_of_its_type_and_text_is_no_template():
    found = made(VARIABLES)["default/a"]
    assert found.replicas == 2
    assert json.loads(found.revision.config) == {"level": "info", "all": ["${count}", 2]}


def test_the_overlay_around_gives_values_and_names_what_the_inner_one_comes_to():
    inner = overlay(VARIABLES + "namePrefix: in-", "inner")
    outer = "bases: [{path: ../base-common, values: {count: 5}}]\nnamePrefix: out-\npatches: {in-b: null}"
    found = made(outer, {**BASE, "base-common/o.yaml": inner})
    assert {name: one.replicas for name, one in found.items()} == {"default/out-in-a": 5}


def test_a_pin_replaces_a_component_wherever_it_is_used():
    found = made("bases: [../base]\ncomponents: {counter: {path: ../components/counter2}}", {**BASE, **OTHER},
                 **{})  # fmt: skip
    assert {one.revision.version for one in found.values()} == {"2.0.0"}


def test_paths_are_those_of_the_file_that_they_are_written_in():
    deep = {"base/deep/er/a.yaml": deployment("a").replace("../components", "../../../components"), **OTHER}
    assert [*made("bases: [../base]", deep)] == ["default/a"]
    patched = made("bases: [../base]\npatches: {a: {spec: {component: {path: ../components/counter2}}}}", deep)
    assert patched["default/a"].revision.version == "2.0.0"


PROBLEMS = [
    (
        "bases: [../base]\npatches: {a: {spec: {replicas: -1}}}",
        ["env/o.yaml:6:34: `spec.replicas` is `-1`; at least 0 is allowed"],
    ),
    ("bases: [../base]\npatches: {aa: {spec: {replicas: 1}}}", ["env/o.yaml:6:13: no base has a deployment `aa`"]),
    ("bases: [../base]\npatches: {a: {spec: {replcas: 1}}}", ["env/o.yaml:6:24: unknown key `replcas` in `spec`"]),
    ("bases: [../base]\npatches: {a: {kind: Job}}", ["env/o.yaml:6:17: unknown key `kind` in `spec.patches.a`"]),
    (
        "bases: [../base]\npatches: {a: {spec: {component: {path: ../components/counter}}}}",
        ["env/o.yaml:6:13: warning: the patch of `a` changes nothing: the base says all of it already"],
    ),
    (
        "bases: [../base]\npatches: {a: {spec: {mailbox: null}}}",
        ["env/o.yaml:6:24: warning: the patch removes `mailbox`, which is not there"],
    ),
    (
        "bases: [../base]\npatches: {a: {spec: {replicas: 1}}, default/a: {spec: {replicas: 1}}}",
        ["env/o.yaml:6:39: default/a is patched twice"],
    ),
    (
        "bases: [../base]\nvariables: {num: {type: integer}}\npatches: {a: {spec: {replicas: {$var: num}}}}",
        ["env/o.yaml:6:15: variable `num` has no value"],
    ),
    (
        "bases: [../base]\nvariables: {num: {type: integer, default: '3'}}\n"
        "patches: {a: {spec: {replicas: {$var: num}}}}",
        ["env/o.yaml:6:45: variable `num` must be a whole number, but is text"],
    ),
    (
        "bases: [../base]\nvariables: {m: {type: size, default: 3MB}}",
        ["env/o.yaml:6:40: variable `m` must be a size like `16MiB`, but is text"],
    ),
    (
        "bases: [../base]\nvariables: {m: {type: string, default: x}}",
        ["env/o.yaml:6:15: warning: variable `m` is declared, but not used"],
    ),
    (
        "bases: [../base]\nvariables: {m: {type: string, default: x, enum: [u, v]}}",
        ["env/o.yaml:6:42: variable `m` is none of its `enum`"],
    ),
    ("bases: [../base]\npatches: {a: {spec: {replicas: {$var: m}}}}", ["env/o.yaml:6:41: there is no variable `m`"]),
    (
        "bases: [../base]\npatches: {a: {spec: {replicas: {$var: m, x: 1}}}}",
        ["env/o.yaml:6:41: `$var` stands alone, with the name of a variable"],
    ),
    (
        "bases: [../base]\nvariables: {p: {type: string, default: ../components/counter}}\n"
        "patches: {a: {spec: {component: {path: {$var: p}}}}}",
        ["env/o.yaml:7:49: a path cannot be a variable"],
    ),
    ("bases: [{path: ../base, values: {x: 1}}]", ["env/o.yaml:5:36: no overlay in this base declares `x`"]),
    ("bases: [../nothing]", ["env/o.yaml:5:11: base `nothing/` does not exist"]),
    ("bases: [../../out]", ["env/o.yaml:5:11: `spec.bases` names `../../out`: it leaves the root"]),
    ("bases: [../base, ../base/]", ["env/o.yaml:5:20: base `../base/` is named twice"]),
    ("bases: [.]", ["env/o.yaml:5:11: overlays go in a circle: env/o.yaml → env/o.yaml"]),
    ("bases: []", ["env/o.yaml:5:10: `spec.bases` has 0 entries; at least 1 is needed"]),
    (
        "bases: [../base]\nnamespace: a\nnamespacePrefix: b",
        ["env/o.yaml:7:20: `spec.namespace` and `spec.namespacePrefix` say both where deployments lie"],
    ),
    (
        "bases: [../base]\ncomponents: {conter: {version: 1.4.0}}",
        ["env/o.yaml:6:16: no deployment of the bases has a component `conter`"],
    ),
    ("bases: [../base]\nlabel: {x: z}", ["env/o.yaml:6:3: unknown key `label` in `spec`"]),
]


@pytest.mark.parametrize(("spec", "problems"), PROBLEMS)
def test_a_problem_is_told_at_the_line_of_the_overlay_that_has_it(spec, problems):
    assert told(spec) == problems


def test_a_name_that_becomes_too_long_is_told_at_the_prefix():
    base = {"base/a.yaml": deployment("a" * 60)}
    (one,) = told("bases: [../base]\nnamePrefix: long-", base)
    assert one == "base/a.yaml:3:18: `metadata.name` has 65 characters; at most 63 are allowed"


def test_a_problem_of_a_base_is_told_there_once_for_each_overlay_and_names_it():
    texts = {f"env/{name}.yaml": overlay(f"bases: [../base]\nnamespace: {name}") for name in ("dev", "prod")}
    base = {"base/a.yaml": deployment("a", "  replicas: many\n")}
    found = resolve(repository({**texts, **base})).diagnostics
    assert [(str(one.location), one.detail) for one in found] == [
        ("base/a.yaml:6:13", f"The overlay env/{name}.yaml:5:11 uses it.") for name in ("dev", "prod")
    ]


def test_what_is_wrong_with_one_deployment_leaves_the_others_of_its_overlay_alone():
    texts = {"env/o.yaml": overlay("bases: [../base]"), **BASE, "base/c.yaml": deployment("c", "  x: 1\n")}
    desired = resolve(repository(texts)).desired
    assert [str(one.key) for one in desired.deployments] == ["default/a", "default/b"]
    assert [str(key) for key in desired.invalid] == ["default/c"]
    assert desired.unreadable_files == ()


@pytest.mark.parametrize(
    "spoilt",
    [
        {"base/c.yaml": "kind: ["},
        {"base/c.yaml": "kind: Deployment"},
        {"base/c.yaml": ""},
        {"base/c.yaml": Unreadable("io", "")},
        {"env/o.yaml": overlay("bases: [../base, ../gone]")},
        {"env/o.yaml": overlay("bases: [../base]\nnamespace: {$var: x}")},
        {"env/o.yaml": overlay("bases: [../base]") + "  bases: [\n"},
    ],
)
def test_an_overlay_of_which_not_every_name_is_known_removes_nothing(spoilt):
    found = resolve(repository({"env/o.yaml": overlay("bases: [../base]"), **BASE, **spoilt}))
    assert found.desired.unreadable_files == ("env/o.yaml",)
    assert any(one.is_error for one in found.diagnostics)


def test_an_overlay_with_an_error_deploys_nothing_new_and_keeps_what_runs():
    desired = resolve(repository({"env/o.yaml": overlay("bases: [../base]\npatches: {x: null}"), **BASE})).desired
    assert desired.deployments == ()
    assert [str(key) for key in desired.invalid] == ["default/a", "default/b"]


def test_a_base_that_is_deployed_by_itself_as_well_is_told_of_and_meets_itself():
    texts = {"env/o.yaml": overlay("bases: [../base]"), **BASE}
    found = said(resolve(repository(texts, "env/o.yaml", "base/a.yaml")))
    assert found == [
        "base/a.yaml:1:1: deployment default/a is written down twice, here and in env/o.yaml:5:11",
        "env/o.yaml:5:11: deployment default/a is written down twice, here and in base/a.yaml:1:1",
        "env/o.yaml:5:11: warning: the deployments in base `base/` are deployed by themselves as well",
    ]


def test_a_sealed_secret_of_a_base_goes_along_unless_its_namespace_changes():
    sealed = (
        "apiVersion: airs.dev/v1\nkind: SealedSecret\nmetadata: {name: s}\n"
        "spec: {key: 0123456789abcdef, sealed: aaaa}\n"
    )
    base = {**BASE, "base/s.yaml": sealed}
    plain, moved = (resolve(repository({"env/o.yaml": overlay(spec), **base})) for spec in (
        "bases: [../base]\nnamePrefix: x-", "bases: [../base]\nnamespace: x"))  # fmt: skip
    assert [one.name for one in plain.desired.sealed] == ["s"]
    assert moved.desired.sealed == ()
    assert said(moved) == ["base/s.yaml:3:11: warning: secret default/s is left out: it cannot be moved to x"]


def test_without_a_patch_an_overlay_makes_the_very_revisions_of_its_base():
    plain = resolve(snapshot({"a.yaml": deployment("a", "  config: {x: [1, {y: null}]}\n")})).desired.deployments
    base = {"base/a.yaml": deployment("a", "  config: {x: [1, {y: null}]}\n")}
    (one,) = made("bases: [../base]", base).values()
    assert one.revision == plain[0].revision


def test_only_what_changed_is_made_anew():
    texts = {"env/o.yaml": overlay("bases: [../base]\nnamePrefix: x-\npatches: {a: {spec: {replicas: 2}}}"), **BASE}
    resolver = Resolver()
    before = resolver.resolve(repository(texts)).desired.deployments
    again = resolver.resolve(repository({**texts, "base/b.yaml": deployment("b", "  replicas: 9\n  dependsOn: [a]\n")}))
    after = again.desired.deployments
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False]
    assert after[1].replicas == 9
    third = resolver.resolve(repository({**texts, "base/c.yaml": deployment("c")})).desired.deployments
    assert [str(one.key) for one in third] == ["default/x-a", "default/x-b", "default/x-c"]


def test_a_component_named_by_a_pin_alone_is_read_and_its_change_is_noticed():
    texts = {"env/o.yaml": overlay("bases: [../base]\ncomponents: {counter: {path: ../components/counter2}}"), **BASE}
    resolver = Resolver()
    first = resolver.resolve(repository({**texts, **OTHER})).desired.deployments
    renamed = {"components/counter2/Component.toml": TOML_2.replace("2.0.0", "3.0.0")}
    second = resolver.resolve(repository({**texts, **OTHER, **renamed})).desired.deployments
    assert {one.revision.version for one in (*first, *second)} == {"2.0.0", "3.0.0"}
    base_renamed = replace(repository({**texts, **OTHER}))
    base_renamed.files[TOML_PATH] = Content(TOML.replace('name = "counter"', 'name = "other"').encode())
    assert said(resolver.resolve(base_renamed)) == [
        "env/o.yaml:6:16: no deployment of the bases has a component `counter`"
    ]

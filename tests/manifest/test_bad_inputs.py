"""The table of hostile and broken inputs: each one's exact diagnostics, and what becomes of its deployment."""

import pytest

from orchestrator.manifest import references, resolve
from orchestrator.model.snapshot import Artifact, Unreadable
from orchestrator.model.world import ArtifactFault, Drive
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
    world,
)

APP = "./manifests/app.yaml"
COMPONENT = "./components/counter/Component.toml"
UNUSABLE = f"{APP}:5:21: its component cannot be used: "


def at(path: str) -> str:
    return deployment().replace("../components/counter", path)


def config(line: str) -> str:
    return deployment(spec=f"  config:\n    {line}\n")


def toml(artifact: str) -> str:
    return TOML.replace('"counter.wasm"', artifact)


MISSING_KIND = f"{APP}:1:1: `kind` is missing"
TAGS = "only the core tags !!str, !!int, !!float, !!bool and !!null are allowed"
ALIAS_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
UNREADABLE = "unreadable"  # not every name in the file could be told
INVALID = "invalid"  # the deployment's name could be told
SOUND = "sound"

YAML_ROWS = {
    "1 parent": (at("../../etc"), INVALID, [f"{APP}:5:21: `spec.component.path` is `../../etc`: it leaves the root"]),
    "1 absolute": (
        at("/etc/passwd"),
        INVALID,
        [
            f"{APP}:5:21: `spec.component.path` is `/etc/passwd`: it is absolute; "
            "paths are relative to the file they are written in"
        ],
    ),
    "1 backslash": (
        at("..\\x"),
        INVALID,
        [
            f"{APP}:5:21: `spec.component.path` is `..\\x`: a path has printable characters only, "
            "and `/` between its parts"
        ],
    ),
    "9 too many documents": (
        "---\n".join(["a: 1\n"] * 20_000),
        UNREADABLE,
        [f"{APP}: the file holds 20000 documents; at most 10000 are read"],
    ),
    "9 large document": (
        deployment() + "#" * (1 << 20),
        UNREADABLE,
        [f"{APP}:1:1: the document is larger than 1048576 bytes"],
    ),
    "9 large file": (
        b"#" * (5 << 20),
        UNREADABLE,
        [f"{APP}: the file has 5242880 bytes; at most 4194304 are read"],
    ),
    "10 alias bomb": (ALIAS_BOMB, UNREADABLE, [f"{APP}:5:12: more than 20000 values in one document"]),
    "10 many aliases": (
        "a: &a 1\nb: [" + "*a, " * 101 + "]\n",
        UNREADABLE,
        [f"{APP}:2:405: more than 100 aliases"],
    ),
    "10 alias inside itself": (
        "a: &a [*a]\n",
        UNREADABLE,
        [MISSING_KIND, f"{APP}:1:8: an alias may not stand inside what it names"],
    ),
    "10 aliases that nest": (
        "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40 + "\n",
        UNREADABLE,
        [f"{APP}:2:44: nested deeper than 64 levels"],
    ),
    "11 merge key": (
        "a: &a {x: 1}\nb:\n  <<: *a\n",
        UNREADABLE,
        [MISSING_KIND, f"{APP}:3:3: merge keys (`<<`) are not supported"],
    ),
    "12 lists": ("[" * 60_000, UNREADABLE, [f"{APP}:1:65: nested deeper than 64 levels"]),
    "12 mappings": ("{a: " * 60_000, UNREADABLE, [f"{APP}:1:257: nested deeper than 64 levels"]),
    "12 block lists": ("- " * 60_000, UNREADABLE, [f"{APP}:1:129: nested deeper than 64 levels"]),
    "13 many keys": (
        "\n".join(f"k{i}: 1" for i in range(60_000)),
        UNREADABLE,
        [f"{APP}:10000:8: more than 20000 values in one document"],
    ),
    "14 long integer": (config("i: " + "9" * 5000), INVALID, [f"{APP}:7:8: the number does not fit 64 bits"]),
    "14 long octal": (config("i: 0o" + "7" * 5000), INVALID, [f"{APP}:7:8: the number does not fit 64 bits"]),
    "14 just too large": (config("i: 9223372036854775808"), INVALID, [f"{APP}:7:8: the number does not fit 64 bits"]),
    "14 empty !!int": (config('i: !!int ""'), INVALID, [f"{APP}:7:8: the value is not what its tag !!int says"]),
    "14 !!bool maybe": (config("i: !!bool maybe"), INVALID, [f"{APP}:7:8: the value is not what its tag !!bool says"]),
    "14 !!timestamp": (config("t: !!timestamp 2001-01-01"), INVALID, [f"{APP}:7:8: {TAGS}"]),
    "14 an impossible date": (config("d: 2026-99-99"), SOUND, []),
    "15 duplicate key": (
        deployment(spec="  replicas: 1\n  replicas: 2\n"),
        INVALID,
        [f"{APP}:7:3: duplicate key `replicas`"],
    ),
    "16 infinity": (config("n: -.inf"), INVALID, [f"{APP}:7:8: numbers must be finite"]),
    "16 not a number": (config("n: .nan"), INVALID, [f"{APP}:7:8: numbers must be finite"]),
    "16 overflow": (config("n: 1e999"), INVALID, [f"{APP}:7:8: numbers must be finite"]),
    "16 no": (
        config("n: no"),
        SOUND,
        [f"{APP}:7:8: warning: an unquoted yes, no, on or off is text, not true or false"],
    ),
    "17 python object": (
        config("a: !!python/object/apply:os.system [id]"),
        INVALID,
        [f"{APP}:7:8: only the core tags !!map and !!seq are allowed on a mapping or a list"],
    ),
    "17 local tag": (config("a: !hunter2"), INVALID, [f"{APP}:7:8: {TAGS}"]),
    "18 UTF-16": (
        deployment().encode("utf-16"),
        UNREADABLE,
        [f"{APP}: the file is UTF-16 or UTF-32, not UTF-8"],
    ),
    "18 UTF-16 without a mark": (
        deployment().encode("utf-16-le"),
        UNREADABLE,
        [f"{APP}:1:2: the control character U+0000 is not allowed"],
    ),
    "18 byte order mark": (b"\xef\xbb\xbf" + deployment().encode(), SOUND, []),
    "18 byte order mark, then invalid UTF-8": (
        b"\xef\xbb\xbf\n\x80",
        UNREADABLE,
        [f"{APP}:2:1: the file is not valid UTF-8"],
    ),
    "18 NUL": (
        deployment() + "x: \0\n",
        UNREADABLE,
        [f"{APP}:6:4: the control character U+0000 is not allowed"],
    ),
    **{
        f"18 line end {code} of a comment": (
            deployment() + f"# {chr(int(code, 16))}spec: {{}}\n",
            UNREADABLE,
            [f"{APP}:6:3: the line end U+{code} is not allowed"],
        )
        for code in ("0085", "2028", "2029")
    },
    "18 line end as an escape": (config('a: "\\N\\L\\u2029"'), SOUND, []),
    "18 invalid UTF-8": (
        deployment().encode() + b"# \xff\n",
        UNREADABLE,
        [f"{APP}:6:3: the file is not valid UTF-8"],
    ),
    "18 CRLF": (deployment().replace("\n", "\r\n"), SOUND, []),
    "18 tab": (
        deployment(spec="\treplicas: 1\n"),
        INVALID,
        [f"{APP}:6:1: not YAML: while scanning for the next token, found character that cannot start any token"],
    ),
    "18 nothing": (b"", UNREADABLE, [f"{APP}: the file holds no document"]),
    "18 only comments": ("# later\n---\n# on\n", UNREADABLE, [f"{APP}: the file holds only comments"]),
    "18 one empty document": ("---\n---\n" + deployment(), SOUND, [f"{APP}:1:1: warning: empty document"]),
    "18 null": ("null\n", UNREADABLE, [f"{APP}:1:1: a manifest must be a mapping"]),
    "18 list on top": ("- a\n", UNREADABLE, [f"{APP}:1:1: a manifest must be a mapping"]),
    "18 keys that are not text": (
        "{1: a, null: b, [c]: d, ? {e: f} : g}\n",
        UNREADABLE,
        [
            MISSING_KIND,
            f"{APP}:1:2: a key must be text",
            f"{APP}:1:8: a key must be text",
            f"{APP}:1:17: a key must be text, not a list or a mapping",
            f"{APP}:1:27: a key must be text, not a list or a mapping",
        ],
    ),
    "18 a lone surrogate": (
        '"\\ud800": 1\n',
        UNREADABLE,
        [f"{APP}:1:4: not YAML: while parsing a quoted scalar, found invalid Unicode character escape code"],
    ),
    "21 bad duration": (
        deployment(spec="  restart: {period: 1 minute}\n"),
        INVALID,
        [f"{APP}:6:21: `spec.restart.period` is `1 minute`, which is not a duration like `100ms`, `5s`, `2m` or `1h`"],
    ),
    "22 ranges": (
        deployment(
            spec="  replicas: 1000000000\n  mailbox: {capacity: -1}\n"
            "  rollout: {strategy: canary, steps: [{weight: 101}], retain: 0}\n"
            "  limits: {memory: 1B, timeout: 999999999h}\n"
        ),
        INVALID,
        [
            f"{APP}:6:13: `spec.replicas` is `1000000000`; at most 1000 is allowed",
            f"{APP}:7:23: `spec.mailbox.capacity` is `-1`; at least 1 is allowed",
            f"{APP}:8:48: `spec.rollout.steps[0].weight` is `101`; at most 100 is allowed",
            f"{APP}:8:63: `spec.rollout.retain` is `0`; at least 1 is allowed",
            f"{APP}:9:20: `spec.limits.memory` is `1B`; at least 64KiB is allowed",
            f"{APP}:9:33: `spec.limits.timeout` is `999999999h`; at most 1h is allowed",
        ],
    ),
    "24 itself": (
        deployment(spec="  dependsOn: [counter]\n"),
        INVALID,
        [f"{APP}:6:15: default/counter depends on itself"],
    ),
    "24 missing": (
        deployment(spec="  dependsOn: [ledger]\n"),
        INVALID,
        [f"{APP}:6:15: depends on `default/ledger`, which does not exist"],
    ),
    "29 a secret as alias": (
        config("password: *hunter2"),
        INVALID,
        [f"{APP}:7:15: there is no anchor of this alias's name"],
    ),
    "29 a secret for the whole config": (
        deployment(spec="  config: hunter2\n"),
        INVALID,
        [f"{APP}:6:11: `spec.config` must be a mapping, but is text"],
    ),
    "29 a secret under a misspelt key": (
        deployment(spec="  confg: {password: hunter2}\n"),
        INVALID,
        [f"{APP}:6:3: unknown key `confg` in `spec`"],
    ),
    "29 a secret in a broken quote": (
        config('password: "hunter2'),
        INVALID,
        [f"{APP}:7:22: not YAML: while scanning a quoted scalar, found unexpected end of stream"],
    ),
    "31 escape codes in a label": (
        deployment().replace("{name: counter}", '{name: counter, labels: {team: "a\\e[31m"}}'),
        INVALID,
        [
            f"{APP}:3:42: `metadata.labels.team` is `a\ufffd[31m`, "
            "which is not printable text without control characters"
        ],
    ),
    "31 escape codes in a key": (
        deployment(spec='  "replicas\\e[2J": 1\n'),
        INVALID,
        [f"{APP}:6:3: unknown key `replicas\ufffd[2J` in `spec`"],
    ),
    "31 a long value": (
        deployment("counter", "  rollout: {strategy: " + "x" * 100 + "}\n"),
        INVALID,
        [f"{APP}:6:23: `spec.rollout.strategy` is `{'x' * 60}…`; it must be `recreate` or `blue-green` or `canary`"],
    ),
}


@pytest.mark.parametrize(("content", "outcome", "expected"), YAML_ROWS.values(), ids=YAML_ROWS.keys())
def test_a_bad_manifest_has_exactly_these_diagnostics_and_its_neighbour_proceeds(content, outcome, expected):
    resolution = resolve(snapshot({"app.yaml": content, "other.yaml": deployment("other")}))

    assert said(resolution) == expected
    names = {d.key.name for d in resolution.desired.deployments}
    assert names == ({"counter", "other"} if outcome == SOUND else {"other"})
    assert (outcome == UNREADABLE) <= (resolution.desired.unreadable_files == (APP,))
    assert [k.name for k in resolution.desired.invalid] == (["counter"] if outcome == INVALID else [])
    assert not resolution.desired.empty
    assert all("hunter2" not in f"{d.summary}{d.detail}{d.suggestion}" for d in resolution.diagnostics)


DEEP = "[" * 20_000 + "]" * 20_000
TOML_ROWS = {
    "1 parent": (toml('"../x.wasm"'), "8:8", "`artifact.path` is `../x.wasm`: it leaves the folder it is confined to"),
    "1 absolute": (
        toml('"/x.wasm"'),
        "8:8",
        "`artifact.path` is `/x.wasm`: it is absolute; paths are relative to the file they are written in",
    ),
    "18 UTF-16": (TOML.encode("utf-16"), "", "the file is UTF-16 or UTF-32, not UTF-8"),
    "18 invalid UTF-8": (TOML.encode() + b"\xff", "23:1", "the file is not valid UTF-8"),
    "18 NUL": (TOML + "\0", "23:1", "the control character U+0000 is not allowed"),
    "18 line end": (TOML + "#\u2028", "23:2", "the line end U+2028 is not allowed"),
    "19 dotted key": (TOML + "a." * 30_000 + "b = 1\n", "23:1", "the path of a key has more than 16 parts"),
    "19 dotted table": (TOML + "[a" + ".a" * 30_000 + "]\n", "23:1", "the path of a key has more than 16 parts"),
    "19 large": (TOML + "#" * 70_000, "", "the file has 70355 bytes; at most 65536 are read"),
    "20 arrays": (toml(DEEP), "8:24", "nested deeper than 16 levels"),
    "20 inline tables": (TOML + "x = " + "{a=" * 9_000, "23:45", "the path of a key has more than 16 parts"),
    "14 long integer": (
        TOML.replace("50_000_000", "9" * 5_000),
        "12:8",
        "a number or a key of more than 256 characters",
    ),
    "14 impossible date": (
        TOML.replace("50_000_000", "2026-02-31"),
        "12:8",
        "not TOML: Invalid date or datetime",
    ),
    "15 duplicate key": (TOML + "x = 1\nx = 2\n", "24:6", "not TOML: Cannot overwrite a value"),
    "22 fuel": (
        TOML.replace("50_000_000", "-1"),
        "12:8",
        "`resources.fuel` is `-1`; at least 1 is allowed",
    ),
    "31 escape codes": (
        TOML.replace('"1.4.0"', '"1.4.0"\ndescription = "\\u001b[31m"'),
        "6:15",
        "`package.description` is `\ufffd[31m`, which is not printable text without control characters",
    ),
}


@pytest.mark.parametrize(("content", "place", "summary"), TOML_ROWS.values(), ids=TOML_ROWS.keys())
def test_a_bad_component_file_is_diagnosed_there_and_at_the_deployment(content, place, summary):
    here = f"{COMPONENT}:{place}" if place else COMPONENT
    assert diagnose(deployment(), content) == [f"{here}: {summary}", UNUSABLE + summary]


UNREADABLE_ROWS = {
    "missing": ("does not exist", ""),
    "escapes": ("leads out of {}", ", links included"),
    "link": ("is a link that cannot be followed", ""),
    "too-large": ("is too large", ""),
    "not-a-file": ("is not a file", ""),
    "io": ("could not be read", ""),
}


@pytest.mark.parametrize("kind", UNREADABLE_ROWS)
def test_a_path_that_could_not_be_read_says_why_wherever_it_is_named(kind):
    words = UNREADABLE_ROWS[kind][0]
    lost = Unreadable(kind=kind, detail="because")
    of_root, of_folder = words.format("the source's root"), words.format("its component's folder")

    assert diagnose(deployment(), TOML, lost) == [
        f"{COMPONENT}:8:8: `counter.wasm` {of_folder}",
        f"{UNUSABLE}`counter.wasm` {of_folder}",
    ]
    assert diagnose(deployment(), lost) == [f"{APP}:5:21: `{COMPONENT}` {of_root}"]
    assert diagnose({"app.yaml": lost, "b.yaml": deployment()}) == [f"{APP}: `{APP}` {of_root}"]
    assert resolve(snapshot(lost)).desired.unreadable_files == (APP,)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "~/x", "a\\b", "x\u202ey"])
def test_a_path_that_leaves_is_never_asked_for(path):
    asked = references(snapshot(at(path)).files, ("manifests/app.yaml",))
    assert [ref.path for ref in asked] == [SIGNATURES_PATH, WASM_PATH]
    escaping = snapshot(deployment(), toml(f"'{path}'"))
    assert [ref.path for ref in references(escaping.files, escaping.manifests)] == [TOML_PATH, SIGNATURES_PATH]


def test_names_that_some_file_systems_cannot_tell_apart_are_refused():
    case = {"A.yaml": deployment("a"), "a.yaml": deployment("b"), "c.yaml": deployment("c")}
    resolution = resolve(snapshot(case))
    words = "are one file where letter case or accents do not count"
    assert said(resolution) == [
        f"./manifests/A.yaml:1:1: `manifests/A.yaml` and `manifests/a.yaml` {words}",
        f"./manifests/a.yaml:1:1: `manifests/a.yaml` and `manifests/A.yaml` {words}",
    ]
    assert [d.key.name for d in resolution.desired.deployments] == ["c"]
    accents = {"\u00e9.yaml": deployment("a"), "e\u0301.yaml": deployment("b")}
    assert [k.name for k in resolve(snapshot(accents)).desired.invalid] == ["a", "b"]


def test_components_that_some_file_systems_cannot_tell_apart_are_refused():
    two = deployment("a") + "---\n" + deployment("b").replace("counter}", "Counter}")
    entries = snapshot("").files
    both = {
        "components/Counter/Component.toml": entries[TOML_PATH],
        "components/Counter/counter.wasm": entries[WASM_PATH],
    }
    assert [k.name for k in resolve(snapshot(two, **both)).desired.invalid] == ["a", "b"]


def test_a_dependency_cycle_is_printed_at_every_member():
    files = {
        "app.yaml": deployment("a", "  dependsOn: [b]\n"),
        "b.yaml": deployment("b", "  dependsOn: [c]\n") + "---\n" + deployment("c", "  dependsOn: [x, a]\n"),
        "c.yaml": deployment("x"),
    }
    resolution = resolve(snapshot(files))
    circle = "dependsOn goes in a circle: default/a → default/b → default/c → default/a"
    assert said(resolution) == [
        f"{APP}:6:15: {circle}",
        f"./manifests/b.yaml:6:15: {circle}",
        f"./manifests/b.yaml:13:18: {circle}",
    ]
    assert [d.key.name for d in resolution.desired.deployments] == ["x"]


def test_a_ring_of_thousands_is_found_and_shortened():
    count = 3_000
    ring = "---\n".join(deployment(f"n{i:04}", f"  dependsOn: [n{(i + 1) % count:04}]\n") for i in range(count))
    resolution = resolve(snapshot(ring))
    assert len(resolution.desired.invalid) == count
    first = resolution.diagnostics[0].summary
    assert first.endswith("default/n0009 → … 2990 more … → default/n0000")


ARTIFACTS = {
    "core module": ArtifactFault("`counter.wasm` is a core module, not a component", "It says so.", "wrap it"),
    "truncated": ArtifactFault("`counter.wasm` ends in the middle"),
    "random bytes": ArtifactFault("`counter.wasm` is not WebAssembly"),
}


@pytest.mark.parametrize("fault", ARTIFACTS.values(), ids=ARTIFACTS.keys())
def test_an_artifact_that_cannot_run_is_refused_in_its_own_words(fault):
    resolution = resolve(snapshot(deployment(), wasm=Artifact(digest=DIGEST, data=b"", world=fault)))
    assert said(resolution) == [f"{COMPONENT}:8:8: {fault.summary}", UNUSABLE + fault.summary]
    assert resolution.diagnostics[1].suggestion == fault.suggestion
    assert [k.name for k in resolution.desired.invalid] == ["counter"]


WORLDS = {
    "imports": (
        world("wasi:io/streams@0.2.6", "airssys:core/types@1.0.0", "foo:bar/baz@1.0.0", "wasi:io/streams@0.3.0"),
        "8:8",
        "the component imports what nothing here provides: `foo:bar/baz@1.0.0`, `wasi:io/streams@0.3.0`",
    ),
    "http": (
        world(drives=frozenset({Drive.HTTP})),
        "8:8",
        "nothing here drives this component yet: it is neither an actor nor callable nor a job",
    ),
}


@pytest.mark.parametrize(("found", "place", "summary"), WORLDS.values(), ids=WORLDS.keys())
def test_a_world_that_cannot_be_met_is_refused(found, place, summary):
    wasm = Artifact(digest=DIGEST, data=b"", world=found)
    assert diagnose(deployment(), wasm=wasm) == [f"{COMPONENT}:{place}: {summary}", UNUSABLE + summary]


def test_a_component_that_imports_storage_needs_a_quota():
    wasm = Artifact(digest=DIGEST, data=b"", world=world("airssys:core/storage@1.0.0"))
    without = TOML.replace('storage = "10MiB"\n', "")
    summary = "the component imports storage, but has no storage quota"
    assert diagnose(deployment(), without, wasm) == [f"{COMPONENT}:10:2: {summary}", UNUSABLE + summary]
    assert diagnose(deployment(), TOML, wasm) == []


def test_another_artifact_than_the_one_signed_for_is_refused():
    signed = toml('"counter.wasm"\nsha256 = "' + "0" * 64 + '"')
    summary = "the artifact is not the one `artifact.sha256` names"
    assert diagnose(deployment(), signed) == [f"{COMPONENT}:9:10: {summary}", UNUSABLE + summary]
    assert diagnose(deployment(), signed.replace("0" * 64, "ab" * 32)) == []

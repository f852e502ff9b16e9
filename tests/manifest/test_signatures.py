"""Signatures beside a Component.toml: who signed is told of each deployment, and no wish is widened unnoticed."""

import json
import tomllib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.manifest import Resolver, resolve
from orchestrator.model.signed import Signer
from orchestrator.model.snapshot import Content, Unreadable
from orchestrator.signing.canonical import manifest_digest
from orchestrator.signing.statement import Subject
from orchestrator.signing.trust import Trust, TrustedKey
from tests.manifest.samples import DIGEST, SIGNATURES_PATH, TOML, deployment, said, snapshot
from tests.signing.samples import KEY, OTHER_SEED, line

SUBJECT = Subject(DIGEST, manifest_digest(tomllib.loads(TOML)), "counter", "1.4.0")
BESIDE = "./components/counter/Component.toml.dsse"
GRANTED = "  grants: {storage.read: [self], storage.write: [self], messaging.send: []}\n"
TRUST = Trust(keys=(TrustedKey(key_id=KEY, name="acme", public_key=b""),))


def signed(data: bytes | Unreadable, toml: str = TOML):
    entry = data if isinstance(data, Unreadable) else Content(data=data)
    return snapshot(deployment(spec=GRANTED), toml, **{SIGNATURES_PATH: entry})


def test_a_deployment_names_its_signers_and_its_revision_the_signed_manifest():
    resolution = Resolver(lambda: TRUST).resolve(signed(line(SUBJECT, expires_ms=9_000)))
    (one,) = resolution.desired.deployments
    assert said(resolution) == []
    assert one.signers == (Signer(key_id=KEY, name="acme", expires_ms=9_000),)
    assert one.revision.manifest == SUBJECT.manifest


def test_a_component_without_signatures_has_the_id_that_it_always_had():
    plain, missing = resolve(snapshot(deployment())), resolve(signed(Unreadable("missing", "")))
    assert [d.revision.manifest for d in plain.desired.deployments] == [""]
    assert [d.signers for d in missing.desired.deployments] == [()]


def test_another_signature_on_the_same_component_is_no_other_revision():
    one, two = (resolve(signed(data)).desired.deployments[0] for data in (line(SUBJECT), line(SUBJECT, OTHER_SEED)))
    assert one.revision == two.revision
    assert one.signers != two.signers


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (line(SUBJECT._replace(version="1.3.0")), f"{BESIDE}:1:1: signature broken: it is for counter 1.3.0"),
        (b"\n\n{}", f"{BESIDE}:3:1: signature broken: it is no DSSE envelope"),
        (b"", f"{BESIDE}:1:1: signature broken: it holds no signature"),
        (Unreadable("escapes", ""), f"{BESIDE}: `{BESIDE}` leads out of the source's root"),
    ],
)
def test_signatures_of_which_none_is_good_keep_a_component_from_being_used(data, told: str):
    resolution = resolve(signed(data))
    assert resolution.desired.deployments == ()
    assert any(one.startswith(told) for one in said(resolution))
    assert any("its component cannot be used: " in one for one in said(resolution))


def test_a_broken_line_beside_a_good_one_is_a_warning():
    resolution = resolve(signed(line(SUBJECT) + line(SUBJECT._replace(version="1.3.0"), OTHER_SEED)))
    assert said(resolution) == [f"{BESIDE}:2:1: warning: signature broken: it is for counter 1.3.0"]
    assert [signer.key_id for signer in resolution.desired.deployments[0].signers] == [KEY]


def test_a_revoked_key_is_warned_of_and_a_change_of_trust_is_seen_in_the_same_files():
    trust = [TRUST]
    snap, resolver = signed(line(SUBJECT)), Resolver(lambda: trust[0])
    assert resolver.resolve(snap).desired.deployments[0].signers[0].is_trusted
    trust[0] = Trust(keys=(msgspec.structs.replace(TRUST.keys[0], revoked_ms=5),))
    resolution = resolver.resolve(snap)
    short = KEY[: len("ed25519:") + 12]
    assert said(resolution) == [f"{BESIDE}: warning: signed with a revoked key: acme ({short})"]
    assert resolution.desired.deployments[0].signers[0].revoked


def test_a_signature_that_comes_or_goes_is_seen_by_a_resolver_that_remembers():
    resolver, plain = Resolver(), signed(Unreadable("missing", ""))
    assert [len(resolver.resolve(s).desired.deployments[0].signers) for s in (plain, signed(line(SUBJECT)), plain)] == [
        0, 1, 0,
    ]  # fmt: skip


# Leaves of a Component.toml, as paths, each with values that the schema allows in its place.
SIZES, NAMES = st.sampled_from(["64KiB", "16MiB", "1GiB", "4GiB"]), st.from_regex(r"[a-z]{1,8}", fullmatch=True)
OTHER_VALUES = {
    ("package", "name"): NAMES,
    ("package", "version"): st.sampled_from(["1.4.1", "2.0.0"]),
    ("package", "stateful"): st.just(True),
    ("package", "description"): NAMES,
    ("artifact", "path"): st.just("other.wasm"),
    ("artifact", "sha256"): st.just("ab" * 32),
    ("resources", "memory"): SIZES,
    ("resources", "fuel"): st.integers(1, 10**15),
    ("resources", "timeout"): st.sampled_from(["1ms", "3s", "1h"]),
    ("resources", "storage"): SIZES,
    ("resources", "log"): st.integers(1, 10_000),
    ("capabilities", "messaging.send"): st.lists(NAMES, max_size=4, unique=True),
    ("capabilities", "messaging.publish"): st.lists(NAMES, min_size=1, max_size=4, unique=True),
    ("capabilities", "filesystem.read"): st.lists(NAMES.map(lambda n: f"/{n}/**"), min_size=1, max_size=3),
    ("capabilities", "network.connect"): st.just(["**"]),
    ("capabilities", "rationale"): st.dictionaries(st.just("storage.write"), NAMES, min_size=1),
    ("codec", "accepts"): st.lists(st.sampled_from(["json", "cbor", "raw"]), min_size=1, unique=True),
}  # fmt: skip


def whole() -> dict:
    """Return the sample as data, with the names of its capabilities written whole."""
    document = tomllib.loads(TOML)
    document["capabilities"] = {
        "storage.read": ["self"], "storage.write": ["self"], "messaging.send": ["ledger", "billing/*"],
        "rationale": {"storage.read": "Remembers the count"},
    }  # fmt: skip
    return document


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_value_changes_without_breaking_the_signature(data):
    path = data.draw(st.sampled_from(sorted(OTHER_VALUES)))
    document = whole()
    section = document.setdefault(path[0], {})
    section[path[1]] = data.draw(OTHER_VALUES[path].filter(lambda value: value != section.get(path[1])))
    assert manifest_digest(document) != SUBJECT.manifest
    resolution = resolve(signed(line(SUBJECT), _toml(document, data.draw)))
    assert resolution.desired.deployments == ()
    assert any("signature broken" in told or "Component.toml" in told for told in said(resolution))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_way_of_writing_the_same_breaks_the_signature(data):
    written = _toml(whole(), data.draw)
    assert said(resolve(signed(line(SUBJECT), written))) == []


def _toml(document: dict, draw) -> str:
    """Write a Component.toml in some order, with comments, as tables, dotted keys or inline tables."""
    order = draw(st.permutations([(key, value) for key, value in document.items() if isinstance(value, dict)]))
    lines = [f"manifest-version = {document['manifest-version']}"]
    for key, section in order:
        lines += [f"  [ {key} ] # {draw(NAMES)}" if draw(st.booleans()) else f"\n[{key}]"]
        lines += [_pair(name, value, draw) for name, value in draw(st.permutations([*section.items()]))]
    return "\n".join(lines) + "\n"


def _pair(name: str, value: object, draw) -> str:
    key = json.dumps(name) if draw(st.booleans()) or "-" in name else name
    if isinstance(value, dict):
        inner = ", ".join(f'"{each}" = {json.dumps(text)}' for each, text in value.items())
        return f"{key} = {{ {inner} }}"
    if isinstance(value, list):
        gap = draw(st.sampled_from(["", " ", "\n  # one each\n  "]))
        return f"{key}\t= [{gap}{f',{gap}'.join(json.dumps(item) for item in value)}]"
    text = f"{value:_}" if isinstance(value, int) and not isinstance(value, bool) else json.dumps(value)
    return f"{key} = {text}" + draw(st.sampled_from(["", "   # why"]))

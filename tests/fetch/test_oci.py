"""A registry's documents are read in the layouts that are known, and no others; a login goes where it belongs."""

import json
from collections.abc import Iterator

import pytest

from orchestrator.fetch.download import Downloads
from orchestrator.fetch.http import Http
from orchestrator.fetch.limits import FetchedFiles, FetchFailed, FetchSettings, HostSettings
from orchestrator.fetch.oci.manifest import (
    COMPANION,
    CONFIG,
    INDEX,
    MANIFEST,
    SIGNATURES,
    TOML,
    WASM,
    chosen_manifest,
    index_with,
    pushed,
)
from orchestrator.fetch.oci.pull import OciFetcher
from orchestrator.fetch.oci.registry import Registry, digest_of
from orchestrator.manifest.component_source import BadReferenceError, oci_component
from orchestrator.manifest.package import read_document
from orchestrator.signing.dsse import written
from orchestrator.signing.keys import key_id, public_of
from orchestrator.signing.statement import signed
from orchestrator.signing.verify import signatures
from orchestrator.store.artifacts import Artifacts

from .registry import SmallRegistry, layer, manifest
from .web import Web, component, redirects, serves
from .web import web as served

WASM_BYTES = b"\0asm" * 100


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as made:
        yield made


def fetcher(tmp_path, web: Web, **about: str) -> OciFetcher:
    hosts = {f"127.0.0.1:{web.port}": HostSettings(plain_http=True, **about)}
    settings = FetchSettings(max_bytes=1 << 20, timeout_s=10, stall_s=0.2, hosts=hosts)
    http = Http(settings)
    downloads = Downloads(http, tmp_path / "incoming", lambda *_: None)
    return OciFetcher(http, downloads, Artifacts(tmp_path / "artifacts"), settings)


def pulled(tmp_path, web: Web, tag: str = "1", **about: str) -> FetchedFiles:
    remote = oci_component(f"127.0.0.1:{web.port}/acme/x:{tag}")
    asked = fetcher(tmp_path, web, **about)
    return asked.fetch(remote, asked.resolve(remote))


def ours(toml: bytes = b"toml", signatures: bytes = b"") -> tuple[dict, list[bytes]]:
    made = pushed(WASM_BYTES, toml, signatures, digest_of, {})
    return json.loads(made.manifest), [*made.blobs.values()]


def test_what_is_pushed_is_what_others_pull():
    """The rules of `wkg` (bytecodealliance/rust-oci-wasm): one layer, of wasm, and its own type of config."""
    made = pushed(WASM_BYTES, b"toml", b"signed", digest_of, {"org.opencontainers.image.title": "x"})
    document = json.loads(made.manifest)
    assert document["mediaType"] == MANIFEST
    assert document["config"]["mediaType"] == CONFIG
    assert [(one["mediaType"], one["digest"]) for one in document["layers"]] == [(WASM, digest_of(WASM_BYTES))]
    config = json.loads(made.blobs[document["config"]["digest"]])
    assert (config["architecture"], config["os"]) == ("wasm", "wasip2")
    assert config["layerDigests"] == [digest_of(WASM_BYTES)]
    companion = json.loads(made.companion)
    assert companion["subject"]["digest"] == made.digest == digest_of(made.manifest)
    assert {one["digest"] for one in companion["layers"]} == {digest_of(b"toml"), digest_of(b"signed")}
    assert pushed(WASM_BYTES, b"toml", b"signed", digest_of, {"org.opencontainers.image.title": "x"}) == made


def test_a_component_of_ours_comes_with_all_its_parts(tmp_path, web):
    registry = SmallRegistry(web, "acme/x")
    document, blobs = ours(b"toml", b"signed")
    digest = registry.put("1", document, *blobs)
    assert pulled(tmp_path, web) == FetchedFiles(digest, WASM_BYTES, b"toml", b"signed")


def test_an_index_leads_to_the_component_for_wasm(tmp_path, web):
    registry = SmallRegistry(web, "acme/x")
    inner = registry.put("inner", manifest(CONFIG, layer(WASM, WASM_BYTES)), WASM_BYTES)
    other = {"digest": digest_of(b"other"), "platform": {"architecture": "amd64", "os": "linux"}}
    listed = [other, {"digest": inner, "platform": {"architecture": "wasm", "os": "wasip2"}}]
    outer = registry.put("1", {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    found = pulled(tmp_path, web)
    assert (found.resolved, found.artifact) == (outer, WASM_BYTES)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "schemaVersion"),
        ([], "a mapping is missing"),
        (manifest(CONFIG), "no layer of wasm"),
        (manifest(CONFIG, layer("application/vnd.oci.image.layer.v1.tar", b"x")), "no layer of wasm, but application"),
        (manifest(CONFIG, layer(WASM, b"1"), layer(WASM, b"2")), "2 layers of wasm"),
        (manifest(CONFIG, {**layer(WASM, b"1"), "size": "3"}), "has no size"),
        (manifest(CONFIG, {**layer(WASM, b"1"), "size": -1}), "has no size"),
        (manifest(CONFIG, {**layer(WASM, b"1"), "digest": "sha256:../../x"}), "a digest in it"),
        (manifest(CONFIG, {**layer(WASM, b"1"), "digest": 7}), "a digest in it"),
        (manifest(CONFIG, layer(WASM, b"1"), annotations={"dev.airs.component.manifest": "x"}), "a digest in it"),
        (manifest(CONFIG, *[layer("x", b"")] * 300), "`layers` is no list"),
        (manifest(CONFIG, {**layer(WASM, b"1"), "size": 1 << 40}), "is too large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_manifest_that_is_no_component_is_refused(tmp_path, web, document, said):
    SmallRegistry(web, "acme/x").put("1", document)
    with pytest.raises(FetchFailed, match=said):
        pulled(tmp_path, web)


def test_an_index_of_several_components_is_refused():
    entry = {"digest": digest_of(b"x"), "platform": {"architecture": "wasm"}}
    with pytest.raises(FetchFailed, match="several components"):
        chosen_manifest(json.dumps({"schemaVersion": 2, "manifests": [entry, entry]}).encode())


def test_a_registry_that_lies_about_a_digest_is_found_out(tmp_path, web):
    registry = SmallRegistry(web, "acme/x")
    document, blobs = ours()
    digest = registry.put("1", document, *blobs)
    registry.blobs[digest_of(WASM_BYTES)] = b"other" * 80
    with pytest.raises(FetchFailed, match="another file"):
        pulled(tmp_path, web)
    registry.manifests[digest] = registry.manifests["1"] + b" "
    with pytest.raises(FetchFailed, match="served another manifest"):
        fetcher(tmp_path, web).fetch(oci_component(f"127.0.0.1:{web.port}/acme/x@{digest}"), digest)


def logins(tmp_path, host: str) -> str:
    file = tmp_path / "logins.json"
    file.write_text(json.dumps({"auths": {host: {"username": "ada", "password": "secret-word"}}}))
    file.chmod(0o600)
    return str(file)


def test_a_login_goes_to_no_other_host_for_a_token(tmp_path, web):
    """Neither where the registry sends for tokens, nor where it redirects."""
    host = f"127.0.0.1:{web.port}"
    with served() as thief:
        thief.routes["/token"] = serves(b'{"token": "x"}')
        challenge = f'Bearer realm="http://localhost:{thief.port}/token",service="x"'
        web.routes["/v2/acme/x/manifests/1"] = serves(b"", 401, WWW_Authenticate=challenge)
        with pytest.raises(FetchFailed, match="sends for a token to localhost"):
            pulled(tmp_path, web, credentials=logins(tmp_path, host))
        assert thief.asked == []


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Bearer realm="{}/token",service="x"'])
def test_no_host_that_a_registry_redirects_to_asks_for_its_login(tmp_path, web, challenge):
    """Another host says which token to get, and for what: its challenge is none of the registry's."""
    web.routes["/token"] = serves(b'{"token": "x"}')
    with served() as thief:
        web.routes["/v2/acme/x/manifests/1"] = redirects(f"http://localhost:{thief.port}/x")
        thief.routes["/x"] = serves(b"", 401, WWW_Authenticate=challenge.format(web.url))
        with pytest.raises(FetchFailed):
            pulled(tmp_path, web, credentials=logins(tmp_path, f"127.0.0.1:{web.port}"))
        assert {path for _, path, _ in thief.asked} == {"/x"}
        assert not any("Authorization" in headers for _, _, headers in [*web.asked, *thief.asked])
    assert {path for _, path, _ in web.asked} == {"/v2/acme/x/manifests/1"}


@pytest.mark.parametrize(
    ("challenge", "said"),
    [
        ("", "of a kind that airs does not have"),
        ("Negotiate", "of a kind"),
        ("Basic realm=x", "wants credentials"),
        ('Bearer realm="file:///etc/passwd"', "file:// is not fetched"),
        ('Bearer service="x"', "of a kind"),
    ],
)
def test_a_challenge_that_cannot_be_met_is_told(tmp_path, web, challenge, said):
    web.routes["/v2/acme/x/manifests/1"] = serves(b"", 401, WWW_Authenticate=challenge)
    with pytest.raises(FetchFailed, match=said):
        pulled(tmp_path, web)


@pytest.mark.parametrize("token", [b"", b"[]", b'{"token": 1}', b'{"token": "a\\r\\nX: y"}', b"\xff"])
def test_a_token_that_is_none_is_refused(tmp_path, web, token):
    web.routes["/v2/acme/x/manifests/1"] = serves(b"", 401, WWW_Authenticate=f'Bearer realm="{web.url}/token"')
    web.routes["/token?service=&scope=repository%3Aacme%2Fx%3Apull"] = serves(token)
    with pytest.raises(FetchFailed, match="gave no token"):
        pulled(tmp_path, web)


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "acme/x:1", "http://h.example/x:1", "h.example/x", "h.example/X:1", "h.example/x:",
        "h.example/x@sha256:12",
        "h.example/../x:1", "h.example//x:1", "user:word@h.example/x:1", "h.example/x:1\n", "-h.example:99999999/x:1",
        "h.example/x:" + "t" * 129, "h.example/x?y:1",
    ],
)  # fmt: skip
def test_a_reference_that_names_nothing_is_refused(text):
    with pytest.raises(BadReferenceError):
        oci_component(text)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("registry.example.org/acme/counter:1.0.0", "oci://registry.example.org/acme/counter:1.0.0"),
        ("oci://localhost/x:y", "oci://localhost/x:y"),
        ("registry:5000/a/b_c/d-e:V1", "oci://registry:5000/a/b_c/d-e:V1"),
        (f"h.example/x:1@sha256:{'0' * 64}", f"oci://h.example/x@sha256:{'0' * 64}"),
    ],
)
def test_a_reference_is_what_it_names(text, reference):
    assert oci_component(text).reference == reference


def test_a_companion_is_listed_once_beside_those_of_others():
    other = {"digest": digest_of(b"other")}
    existing = json.dumps({"schemaVersion": 2, "manifests": [other]}).encode()
    once = index_with(existing, b"companion", digest_of)
    assert index_with(once, b"companion", digest_of) == once
    assert [one["digest"] for one in json.loads(once)["manifests"]] == [other["digest"], digest_of(b"companion")]
    assert len(json.loads(index_with(b"\xff", b"c", digest_of))["manifests"]) == 1


HELLO = component("hello-1.0.0")
SUBJECT = read_document(HELLO["Component.toml"]).subject(digest_of(HELLO["hello.wasm"]))


def line(seed: bytes, subject=SUBJECT) -> bytes:
    return written(signed(subject, seed, 1)) + b"\n"


def signed_later(web: Web, *, has_api: bool) -> tuple[SmallRegistry, dict]:
    """A registry with an unsigned component, and the descriptor of that."""
    registry = SmallRegistry(web, "acme/x")
    registry.referrers = {} if has_api else None
    made = pushed(HELLO["hello.wasm"], HELLO["Component.toml"], b"", digest_of, {})
    registry.put("1", json.loads(made.manifest), *made.blobs.values())
    registry.manifests["1"] = registry.manifests[made.digest] = made.manifest
    return registry, {"digest": made.digest, "size": len(made.manifest)}


@pytest.mark.parametrize("has_api", [True, False], ids=["by the API of referrers", "by a tag of the digest"])
def test_signatures_that_were_attached_later_are_found(tmp_path, web, has_api):
    registry, subject = signed_later(web, has_api=has_api)
    assert pulled(tmp_path, web).signatures == b""
    registry.attach(subject, SIGNATURES, (SIGNATURES, line(b"1" * 32)))
    registry.attach(subject, COMPANION, (TOML, HELLO["Component.toml"]), (SIGNATURES, line(b"2" * 32)))
    registry.attach(subject, "application/vnd.example.sbom", ("application/json", b"{}"))
    found = signatures(pulled(tmp_path, web).signatures, SUBJECT)
    assert {one.key_id for one in found.signers} == {key_id(public_of(seed * 32)) for seed in (b"1", b"2")}
    assert found.broken == ()


def test_what_a_stranger_attaches_neither_breaks_a_component_nor_signs_it(tmp_path, web):
    registry, subject = signed_later(web, has_api=True)
    other = SUBJECT._replace(version="2.0.0")
    registry.attach(subject, SIGNATURES, (SIGNATURES, b"nonsense\n" + line(b"1" * 32, other)))
    registry.attach(subject, SIGNATURES, ("application/json", line(b"3" * 32)))
    elsewhere = registry.attach({"digest": digest_of(b"x"), "size": 1}, SIGNATURES, (SIGNATURES, line(b"4" * 32)))
    listed = json.loads(registry.referrers[subject["digest"]])
    listed["manifests"] += [
        {"digest": elsewhere, "artifactType": SIGNATURES},
        7,
        {"artifactType": SIGNATURES, "digest": digest_of(b"gone")},
    ]
    registry.referrers[subject["digest"]] = json.dumps(listed).encode()
    assert pulled(tmp_path, web).signatures == b""


@pytest.mark.parametrize("served_as_list", [b"", b"[]", b"<html>", b'{"schemaVersion": 2}', b"\xff" * 100])
def test_a_registry_without_lists_of_referrers_serves_components_all_the_same(tmp_path, web, served_as_list):
    registry, subject = signed_later(web, has_api=True)
    registry.referrers[subject["digest"]] = served_as_list
    assert pulled(tmp_path, web).artifact == HELLO["hello.wasm"]


def test_a_registry_that_serves_other_signatures_than_it_names_is_found_out(tmp_path, web):
    registry, subject = signed_later(web, has_api=True)
    registry.attach(subject, SIGNATURES, (SIGNATURES, line(b"1" * 32)))
    registry.blobs[digest_of(line(b"1" * 32))] = line(b"2" * 32)
    with pytest.raises(FetchFailed, match="served other signatures"):
        pulled(tmp_path, web)


@pytest.mark.parametrize(("named", "said"), [("", "leads into this network"), ("127.0.0.1", "")])
def test_a_registry_outside_sends_for_no_token_into_this_network(tmp_path, web, named, said):
    """A host that is reached through a proxy lies outside; what it would be given is in the token."""
    challenge = f'Bearer realm="{web.url}/inside",service="x"'
    at = "http://outside.example/v2/acme/x/manifests/1"
    web.routes[at] = serves(b"", 401, WWW_Authenticate=challenge)
    web.routes["/inside?service=x&scope=repository%3Aacme%2Fx%3Apull"] = serves(b'{"token": "of-an-inner-service"}')
    hosts = {"outside.example": HostSettings(plain_http=True, token_host=named)}
    settings = FetchSettings(proxy=web.url, hosts=hosts)
    remote = oci_component("outside.example/acme/x:1")
    asked = OciFetcher(
        Http(settings), Downloads(Http(settings), tmp_path, lambda *_: None), Artifacts(tmp_path), settings
    )
    with pytest.raises(FetchFailed, match=said or "wants credentials"):
        asked.resolve(remote)
    sent = [headers.get("Authorization") for _, path, headers in web.asked if path == at]
    assert any(sent) == (not said)


def test_a_registry_that_speaks_tls_sends_for_no_token_without(tmp_path):
    settings = FetchSettings()
    registry = Registry(Http(settings), settings, oci_component("registry.example.org/acme/x:1"))
    with pytest.raises(FetchFailed, match="sends for a token by http://"):
        registry._authorized('Bearer realm="http://registry.example.org/token"', "pull")

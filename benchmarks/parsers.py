"""Parsers of foreign bytes under random input: each answers, or refuses in its own words, and does nothing else.

    python -m benchmarks.parsers                          100 000 inputs for each
    python -m benchmarks.parsers dsse --inputs 1000000    more, for one
    python -m benchmarks.parsers --seed 7                 others

An input is a good one with bytes changed, cut, doubled or put in. One that breaks a parser is printed with its seed;
the tests run a sample.
"""

import argparse
import base64
import random
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import msgspec
import yaml
from msgspec.structs import replace

from orchestrator.exported.document import ExportedSource, ExportedState
from orchestrator.exported.signed import PAYLOAD_TYPE, StateRefused, opened_state, sealed_state
from orchestrator.exported.standing import with_secrets_of
from orchestrator.manifest import overlay_uses, resolve
from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.identity import identified
from orchestrator.manifest.overlay.render import source_documents
from orchestrator.manifest.overlay.text import canonical, yaml_text
from orchestrator.model.base import canonical_json
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Hold, ObservedDeployment, ObservedState, Record
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.secret import Secret, SecretName, SecretUse
from orchestrator.model.signed import Signer
from orchestrator.model.snapshot import Content, FileEntry, Listing, Snapshot
from orchestrator.model.spec import Deployment, Grant, Limits, Revision, RolloutPolicy, WeightStep
from orchestrator.model.world import Drive, Function, World
from orchestrator.plan.against import Against, AgainstKind
from orchestrator.plan.make import make_plan
from orchestrator.plan.ruled import Judging
from orchestrator.plan.saved import render_json
from orchestrator.plan.text import render_text
from orchestrator.policy.judge import Asked, judge
from orchestrator.policy.limits import over_limits
from orchestrator.policy.read import read_policies
from orchestrator.review.annotation import of_plan
from orchestrator.review.markdown import COMMENT_MAX_BYTES, render_markdown
from orchestrator.review.sarif import sarif_log
from orchestrator.secrets.resealing import reseal
from orchestrator.secrets.sealing import SealingProblem, new_private_key, seal, unseal, written_public
from orchestrator.secrets.sealing import public_of as sealing_public
from orchestrator.secrets.sealing import read_public as read_sealing_key
from orchestrator.settings.file import parse_settings_file
from orchestrator.settings.resolve import GivenSettings, resolve_settings
from orchestrator.signing.dsse import KeySignature, SignedEnvelope, signed_bytes, written
from orchestrator.signing.keys import KeyRefused, private_pem, public_of, public_pem, read_private, read_public, sign
from orchestrator.signing.statement import Subject, signed
from orchestrator.signing.verify import signatures
from orchestrator.source.signatures import NotSigned, parents, signed_commit, signed_tag, tagged
from orchestrator.source.signers import dearmored

INPUTS = 100_000
SEED = bytes(range(32))
SUBJECT = Subject("sha256:" + "a1" * 32, "sha256:" + "b2" * 32, "counter", "1.0.0")


class Parser(NamedTuple):
    """A parser, good inputs to begin with, and the exceptions that are its words."""

    parse: Callable[[bytes], object]
    good: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = ()


def _verified(data: bytes) -> None:
    """Check that no input has other signers than the good ones have."""
    assert all(signer.key_id in SIGNERS for signer in signatures(data, SUBJECT).signers), "a signature was forged"


_LINES = tuple(written(signed(SUBJECT, seed, 1, 9)) + b"\n" for seed in (SEED, SEED[::-1]))
SIGNERS = {signer.key_id for line in _LINES for signer in signatures(line, SUBJECT).signers}
_SEALING = new_private_key()
_BOX = seal(sealing_public(_SEALING), SecretName(namespace="default", name="key"), Secret("value"))


def _unsealed(data: bytes) -> None:
    """Check that no box but the good one opens."""
    box = replace(_BOX, sealed=base64.b64encode(data).decode())
    assert data == base64.b64decode(_BOX.sealed) or not unseal({_BOX.key: _SEALING}, box), "a box was forged"


def _settings(data: bytes) -> None:
    """Read settings, of which whatever is wrong is told, and nothing is raised."""
    given = GivenSettings({}, {}, {"state-dir": "/s", "secrets.dir": "/x"}, "/here", "/home")
    resolved = resolve_settings(parse_settings_file("/airs.toml", data), given)
    assert (resolved.values is None) == any(each.is_error for each in resolved.diagnostics)


_SEALED = b"""apiVersion: airs.dev/v1
kind: SealedSecret
metadata: {name: key, namespace: default}
spec: {key: "%s", sealed: %s}
""" % (_BOX.key.encode(), _BOX.sealed.encode())
_SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\n U1NI\n -----END SSH SIGNATURE-----\n"
_COMMIT = b"tree 1\nparent 2\nauthor a <a> 1 +0000\ngpgsig " + _SIGNATURE + b"\nsubject\n"
_TAG = b"object 1\ntype commit\ntag v1\n\nmessage\n" + _SIGNATURE.replace(b"\n ", b"\n")
_PGP_KEYS = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEawu4\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
_SETTINGS = b'state-dir = "~/s"\n[secrets]\ndir = "x"\n[registries."r.example"]\nplain-http = true\n'


def _state(config: str, version: str) -> ExportedState:
    """Return a state with one deployment of everything that is read of it."""
    key, limits = DeploymentKey(namespace="default", name="counter"), Limits(memory_bytes=1 << 20, fuel=9, timeout_ms=9)
    secret, signer = SecretUse(name="token", env="TOKEN", fingerprint="ab"), Signer(key_id=KEY_ID, name="ann")
    revision = Revision(
        id="", component="counter", version=version, artifact=SUBJECT.artifact, stateful=True, config=config,
        grants=(Grant(capability="storage.read", patterns=("self",)),), limits=limits, secrets=(secret,),
    )  # fmt: skip
    spec = Deployment(
        key=key, revision=identified(revision), labels=(("a", "b"),), requires=(("other", "^1.0"),), signers=(signer,),
        rollout=RolloutPolicy(steps=(WeightStep(weight=10),)), file="a.yaml", line=3,
    )  # fmt: skip
    going = Rollout(target=spec, stable=spec.revision.id, cause=Cause.APPLY, conclusion="slow: x")
    held = Hold(revision=spec.revision.id, reason="on request", at_ms=5, seen=spec)
    record = Record(key=key, source="/s", generation=1, wanted=spec, stable=spec, rollout=going, held=held)
    seen = ObservedDeployment(record=record, instances=(), messages_per_s=0.5)
    source = ExportedSource(name="/s", place="/", path="s", revision="abc", read_ms=7)
    world = World(imports=(), exports=(Function(name="f", signature="func()"),), drives=frozenset({Drive.CALLABLE}))
    return ExportedState(
        state=ObservedState(lineage="l", serial=4, deployments=(seen,), agent_running=True), made_ms=5, airs="0.1.0",
        sources=(source,), worlds={SUBJECT.artifact: world}, public_key=public_of(SEED),
    )  # fmt: skip


KEY_ID = "ed25519:" + "a1" * 16
_STATES = (_state('{"a": {"b": [1]}}', "1.0.0"), _state("{}", "2.0.0"))
_WANTED = DesiredState(
    source="/s", root="/", deployments=(_state('{"c": 1}', "3.0.0").state.deployments[0].record.wanted,)
)


def _planned_against(document: bytes) -> None:
    """Plan against a state that somebody signed who is not the agent, and write the plan in every form."""
    payload = zlib.compress(document)
    envelope = SignedEnvelope(payload, PAYLOAD_TYPE, (KeySignature(sign(SEED, signed_bytes(PAYLOAD_TYPE, payload))),))
    state = opened_state(written(envelope))
    for wanted in (_WANTED, replace(_WANTED, deployments=()), as_wanted(state)):
        plan = make_plan(with_secrets_of(wanted, state.state), state.state, (), Judging(rules=state.rules, now_ms=8))
        against = Against(kind=AgainstKind.FILE, place="x", made_ms=state.made_ms)
        render_text(replace(plan, against=against))
        render_json(plan)
        assert len(render_markdown(replace(plan, against=against)).encode()) <= COMMENT_MAX_BYTES
        sarif_log(of_plan(plan, str), "0")


_ODD: tuple[Any, ...] = (
    0, -1, 10**18, 2**63 - 1, 2**70, 0.5, 1e308, "", "x", "\x1b[2J\n|`<@all>", "[1]", "{", "nan", "^1 ||", "a/../b",
    None, True, [], [[]], {}, {"a": 1}, "sha256:" + "a1" * 32,
)  # fmt: skip


def _odd_values(data: bytes) -> None:
    """Plan against a state in which values were replaced by odd ones, wherever `data` says so."""
    chance, state = random.Random(data), msgspec.json.decode(canonical_json(_STATES[0]))
    for _ in range(chance.randint(1, 3)):
        inner, at = chance.choice([*_places(state)])
        alike = [odd for odd in _ODD if type(odd) is type(inner[at])]
        inner[at] = deepcopy(chance.choice(alike or _ODD))
    _planned_against(msgspec.json.encode(state))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key of everything in a decoded document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for at, inner in [*pairs]:
        yield value, at
        yield from _places(inner)


def as_wanted(state: ExportedState) -> DesiredState:
    """Return a wish for what a state says is wanted, but for a version."""
    specs = (seen.record.wanted for seen in state.state.deployments)
    return replace(_WANTED, deployments=tuple(replace(one, replicas=one.replicas + 1, requires=()) for one in specs))


_POLICIES = b"""apiVersion: airs.dev/v1
kind: Policy
metadata: {name: production}
spec:
  namespaces: [default, "team-*"]
  mode: strict
  signers:
    - {components: ["counter", "acme-*"], keys: ["%s", release], atLeast: 1}
  sources: ["oci://registry.example.org/acme/*", /srv/manifests]
  forbid: {"network.connect": ["**"], "filesystem.write": ["/etc/**"]}
  approve: {"storage.write": ["self"]}
  limits: {deployments: 3, instances: 9, memory: 1GiB, storage: 1MiB, fuelPerSecond: 1000000}
  onViolation: report
---
apiVersion: airs.dev/v1
kind: Approval
metadata: {name: counter}
spec:
  deployment: default/counter
  artifact: "%s"
  capabilities: {"storage.write": [self]}
  reason: reviewed
""" % (KEY_ID.encode(), SUBJECT.artifact.encode())


def _judged(data: bytes) -> bool:
    """Read policies and judge by them; a set with a problem lets nothing run. Returns whether there is none."""
    files = {"p.yaml": Content(data)}
    rules = read_policies(Snapshot("/srv/policies", "/srv/policies", "", "", ("p.yaml",), files)).rules
    assert bool(rules.problem) != bool(rules.policies), "half a set is in force"
    for place in ("/srv/manifests", "oci://registry.example.org/acme/x:1", ""):
        for wanted in _ASKING:
            verdict = judge(Asked(deployment=wanted, place=place), rules, 8)
            assert not (rules.problem and verdict.is_allowed), "a set that cannot be read allows something"
            assert verdict.text or verdict.is_allowed, "it refuses without a word"
    over_limits(_ASKING, {}, rules)
    return not rules.problem


def _odd_policies(data: bytes) -> None:
    """Judge by policies in which values were replaced by odd ones, wherever `data` says so."""
    chance = random.Random(data)
    documents = deepcopy(_DOCUMENTS)
    for _ in range(chance.randint(1, 3)):
        inner, at = chance.choice([*_places(documents)])
        inner[at] = deepcopy(chance.choice(_ODD))
    _judged(b"\n---\n".join(map(msgspec.json.encode, documents)))


_GRANTS = tuple(
    tuple(Grant(capability=capability, patterns=patterns) for capability, patterns in one.items())
    for one in (
        {}, {"storage.write": ("self",)}, {"network.connect": ("**",)},
        {"filesystem.write": ("/etc/x/**", "/srv/**"), "storage.read": ("self",)},
    )
)  # fmt: skip
_SPEC = _STATES[0].state.deployments[0].record.wanted
_ASKING = tuple(
    replace(
        _SPEC,
        key=DeploymentKey(namespace=namespace, name=f"n{number}"),
        revision=replace(_SPEC.revision, grants=grants),
    )
    for namespace in ("default", "team-a", "other")
    for number, grants in enumerate(_GRANTS)
)
_DOCUMENTS = [*yaml.safe_load_all(_POLICIES)]
assert _judged(_POLICIES), "the policies to begin with are good"


_OVERLAY = b"""apiVersion: airs.dev/v1
kind: Overlay
metadata: {name: prod}
spec:
  bases: [../base, {path: ../inner, values: {count: 2}}]
  variables: {size: {type: integer, default: 3, enum: [3, 4]}}
  namespace: prod
  namePrefix: p-
  labels: {env: prod}
  components: {counter: {version: "^1"}, r.example/acme/x: {oci: {reference: "r.example/acme/x:2"}}}
  patches:
    a: {spec: {replicas: {$var: size}, config: &c {k: [1, null]}, dependsOn: [b]}}
    b: {spec: {config: *c}}
    x: null
"""
_BASE = b"""apiVersion: airs.dev/v1
kind: Deployment
metadata: {name: a}
spec:
  component: {path: ../components/counter}
  grants: {messaging.send: [b, "default/*"]}
---
apiVersion: airs.dev/v1
kind: Deployment
metadata: {name: b}
spec: {component: {oci: {reference: "r.example/acme/x:1"}}}
"""
_INNER = _OVERLAY.replace(b"[../base, {path: ../inner, values: {count: 2}}]", b"[../base]").replace(b"prod", b"inner")


def _overlaid(data: bytes) -> None:
    """Resolve, render and read for fetching an overlay, a base or an overlay between them, of which `data` is one."""
    for at, texts in enumerate(((data, _BASE, _INNER), (_OVERLAY, data, _INNER), (_OVERLAY, _BASE, data))):
        paths = ("env/o.yaml", "base/a.yaml", "inner/o.yaml")
        files: dict[str, FileEntry] = {path: Content(text) for path, text in zip(paths, texts, strict=True)}
        files |= {"base/": Listing(("base/a.yaml",)), "inner/": Listing(("inner/o.yaml",)), "env/": Listing(paths[:1])}
        snapshot = Snapshot("/s", "/s", "", "env", paths[:1], files)
        found = resolve(snapshot)
        assert all(one.summary.isprintable() for one in found.diagnostics), "something unprintable is told"
        wanted = found.desired
        assert at or wanted.deployments or wanted.invalid or wanted.unreadable_files or found.diagnostics, "it vanished"
        for one in source_documents(snapshot):
            text = yaml_text(canonical(one.placed("out/x.yaml").root), one.remark)
            assert not text.strip() or read_documents(text.encode()).documents, "it renders to nothing"
        overlay_uses(paths[0], files)


PARSERS: Mapping[str, Parser] = {
    "overlay": Parser(_overlaid, (_OVERLAY, _BASE, _INNER)),
    "policies": Parser(_judged, (_POLICIES,)),
    "policy-values": Parser(_odd_policies, (b"0123456789" * 9,)),
    "sealed-box": Parser(_unsealed, (base64.b64decode(_BOX.sealed),), (SealingProblem,)),
    "sealing-key": Parser(read_sealing_key, (written_public(sealing_public(_SEALING)).encode(),), (SealingProblem,)),
    "sealed-secret": Parser(lambda data: reseal(data.decode(errors="replace"), {}, SEED), (_SEALED,)),
    "settings": Parser(_settings, (_SETTINGS,)),
    "dsse": Parser(_verified, (*_LINES, b"".join(_LINES), b'{"payload":"","payloadType":"","signatures":[]}')),
    "public-pem": Parser(read_public, (public_pem(public_of(SEED)), private_pem(SEED)), (KeyRefused,)),
    "state": Parser(opened_state, tuple(sealed_state(one, SEED) for one in _STATES), (StateRefused,)),
    "state-planned": Parser(_planned_against, tuple(map(canonical_json, _STATES)), (StateRefused,)),
    "state-values": Parser(_odd_values, (b"0123456789" * 9,), (StateRefused,)),
    "signed-commit": Parser(lambda data: (signed_commit(data, "a" * 40), parents(data)), (_COMMIT,), (NotSigned,)),
    "signed-tag": Parser(lambda data: (tagged(data), signed_tag(data)), (_TAG,), (NotSigned,)),
    "openpgp-keys": Parser(dearmored, (_PGP_KEYS,), (ValueError,)),
    "private-pem": Parser(read_private, (private_pem(SEED), public_pem(public_of(SEED))), (KeyRefused,)),
}


def mutated(good: Sequence[bytes], chance: random.Random) -> bytes:
    """Change one of the good inputs in a few places."""
    data = bytearray(chance.choice(good))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = chance.randbytes(1)
            case 1:
                del data[at : at + chance.randint(1, 40)]
            case 2:
                data[at:at] = chance.choice(
                    (b'"', b"{", b"[", b"\\", b"\n", b"\x00", b"=", b"-----", b"\xff", b"9" * 30)
                )
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 80)]
            case _:
                data[at:at] = chance.choice(good)[: chance.randint(1, 200)]
    return bytes(data)


def tried(name: str, inputs: int, seed: int) -> int:
    """Give a parser so many inputs; returns how many of them it took for good.

    Raises:
        AssertionError: one broke it.
    """
    parser, chance, taken = PARSERS[name], random.Random(seed), 0
    for number in range(inputs):
        data = mutated(parser.good, chance)
        try:
            parser.parse(data)
            taken += 1
        except parser.refusals:
            continue
        except Exception as fault:  # which is what this looks for
            raise AssertionError(f"{name}, seed {seed}, input {number}: {data!r}") from fault
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    """Try the parsers that the command line names, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parsers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parsers", nargs="*", metavar="PARSER", help=f"of {', '.join(PARSERS)}; default: all")
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    for name in asked.parsers or PARSERS:
        began = time.perf_counter()
        taken = tried(name, asked.inputs, asked.seed)
        print(f"{name}: {asked.inputs} inputs, {taken} taken, {time.perf_counter() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

"""A hundred thousand mutated inputs for every parser of foreign bytes in `fetch`: `python -m benchmarks.fuzz [COUNT]`.

Each input is read, or is refused as what it is read for is refused; anything else is printed with its seed, and ends
this with 1. The tests run a sample.
"""

import gzip
import io
import json
import random
import sys
import tarfile
import time
from collections.abc import Callable

from orchestrator.fetch.archive import files_of, unpacked
from orchestrator.fetch.credentials import docker_login
from orchestrator.fetch.limits import FetchFailed
from orchestrator.fetch.oci.manifest import chosen_manifest, parts_of
from orchestrator.fetch.oci.registry import digest_of
from orchestrator.fetch.url import component_in
from orchestrator.manifest.component_source import BadReferenceError, oci_component

COUNT = 100_000
MAX_BYTES = 1 << 20
SHOWN_MAX = 20
INTERESTING = (b"\0", b"\xff" * 12, b"-1", b"9" * 40, b'"', b"{" * 64, b"[" * 64, b"../", b"\\u0000", b"null", b"1e999")


def tar() -> bytes:
    """Return an archive with every record that is read."""
    made = io.BytesIO()
    files = {"Component.toml": b'[artifact]\npath = "a.wasm"\n', "a.wasm": b"\0asm" * 64, "n" * 150: b"long", "é": b"x"}
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            packed.addfile(about, io.BytesIO(data))
    return made.getvalue()


def read_tar(data: bytes) -> None:
    """Read an archive that is not packed."""
    component_in(files_of(iter([data]), MAX_BYTES), "sha256:x")


def read_gzip(data: bytes) -> None:
    """Read an archive that is packed."""
    files_of(unpacked(iter([data]), MAX_BYTES), MAX_BYTES)


def read_manifest(data: bytes) -> None:
    """Read what a registry serves."""
    if chosen_manifest(data) is None:
        parts_of(data)


def read_reference(data: bytes) -> None:
    """Read a reference to a registry."""
    oci_component(data.decode("utf-8", "replace"))


LAYER = {"mediaType": "application/wasm", "digest": digest_of(b"x"), "size": 3}
MANIFEST = {
    "schemaVersion": 2, "config": LAYER, "layers": [LAYER],
    "annotations": {"dev.airs.component.manifest": digest_of(b"y")},
}  # fmt: skip
INDEX = {"schemaVersion": 2, "manifests": [{**LAYER, "platform": {"architecture": "wasm", "os": "wasip2"}}]}
LOGINS = {
    "auths": {"h": {"auth": "YWRhOnNlY3JldA=="}, "https://h/": {"username": "u", "password": "p"}}, "credHelpers": {},
}  # fmt: skip
REFERENCE = b"registry.example.org:5000/acme/counter:1.0@" + digest_of(b"z").encode()
TARGETS: dict[str, tuple[bytes, Callable[[bytes], object], type[Exception]]] = {
    "tar": (tar(), read_tar, FetchFailed),
    "gzip": (gzip.compress(tar(), mtime=0), read_gzip, FetchFailed),
    "OCI manifest": (json.dumps(MANIFEST).encode(), read_manifest, FetchFailed),
    "OCI index": (json.dumps(INDEX).encode(), read_manifest, FetchFailed),
    "OCI reference": (REFERENCE, read_reference, BadReferenceError),
    "docker config": (json.dumps(LOGINS).encode(), lambda data: docker_login(data, "h"), ValueError),
}


def mutated(sample: bytes, chance: random.Random) -> bytes:
    """Change a few places: a bit, a byte, a cut, a copy, or something that has broken parsers before."""
    data = bytearray(sample)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(data):
                data[at] = chance.randrange(256)
            case 2:
                del data[at : at + chance.randint(1, 64)]
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 600)]
            case _:
                data[at : at + chance.randint(0, 4)] = chance.choice(INTERESTING)
    return bytes(data)


def fuzz(count: int, first_seed: int = 0) -> list[str]:
    """Feed every target so many inputs; returns what is wrong, a line each."""
    wrong = []
    for name, (sample, read, refusal) in TARGETS.items():
        slowest = 0.0
        for seed in range(first_seed, first_seed + count):
            data = mutated(sample, random.Random(seed))
            began = time.process_time()
            try:
                read(data)
            except refusal:
                pass
            except Exception as bug:  # noqa: BLE001 — whatever it is, it is one
                wrong.append(f"{name}, seed {seed}: {type(bug).__name__}: {bug}")
            slowest = max(slowest, time.process_time() - began)
        print(f"{name}: {count} inputs, the slowest {slowest * 1000:.1f} ms")
    return wrong


if __name__ == "__main__":
    found = fuzz(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
    print("\n".join(found[:SHOWN_MAX]) or "nothing but refusals")
    sys.exit(bool(found))

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
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.model.secret import Secret, SecretName
from orchestrator.secrets.resealing import reseal
from orchestrator.secrets.sealing import SealingProblem, new_private_key, seal, unseal, written_public
from orchestrator.secrets.sealing import public_of as sealing_public
from orchestrator.secrets.sealing import read_public as read_sealing_key
from orchestrator.settings.file import parse_settings_file
from orchestrator.settings.resolve import GivenSettings, resolve_settings
from orchestrator.signing.dsse import written
from orchestrator.signing.keys import KeyRefused, private_pem, public_of, public_pem, read_private, read_public
from orchestrator.signing.statement import Subject, signed
from orchestrator.signing.verify import signatures

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
_SETTINGS = b'state-dir = "~/s"\n[secrets]\ndir = "x"\n[registries."r.example"]\nplain-http = true\n'
PARSERS: Mapping[str, Parser] = {
    "sealed-box": Parser(_unsealed, (base64.b64decode(_BOX.sealed),), (SealingProblem,)),
    "sealing-key": Parser(read_sealing_key, (written_public(sealing_public(_SEALING)).encode(),), (SealingProblem,)),
    "sealed-secret": Parser(lambda data: reseal(data.decode(errors="replace"), {}, SEED), (_SEALED,)),
    "settings": Parser(_settings, (_SETTINGS,)),
    "dsse": Parser(_verified, (*_LINES, b"".join(_LINES), b'{"payload":"","payloadType":"","signatures":[]}')),
    "public-pem": Parser(read_public, (public_pem(public_of(SEED)), private_pem(SEED)), (KeyRefused,)),
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

from orchestrator.signing.dsse import written
from orchestrator.signing.keys import key_id, public_of
from orchestrator.signing.statement import Subject, signed

SUBJECT = Subject("sha256:" + "a1" * 32, "sha256:" + "b2" * 32, "counter", "1.0.0")
SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
KEY, OTHER_KEY = key_id(public_of(SEED)), key_id(public_of(OTHER_SEED))


def line(subject=SUBJECT, seed=SEED, expires_ms=0) -> bytes:
    return written(signed(subject, seed, 1_000, expires_ms)) + b"\n"

"""The keys that a machine trusts, as a value: by them signers get their names, or are told revoked.

`store/trust.py` keeps it in the state directory, `airs trust` changes it. For a team, policies name signers.
"""

import re
from collections.abc import Iterable

from msgspec.structs import replace

from orchestrator.model.base import Value
from orchestrator.model.signed import Signer

KEYS_MAX = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,62}")
_KEY_ID = re.compile(r"ed25519:[0-9a-f]{32}")


def is_name(text: str) -> bool:
    """Whether a key may have this name."""
    return _NAME.fullmatch(text) is not None


def is_key_id(text: str) -> bool:
    """Whether this is a whole key id."""
    return _KEY_ID.fullmatch(text) is not None


class TrustedKey(Value, frozen=True):
    """One key. Times are wall-clock milliseconds; `revoked_ms` is 0 while it is trusted."""

    key_id: str
    name: str
    public_key: bytes
    added_ms: int = 0
    revoked_ms: int = 0
    reason: str = ""  # why it was revoked, in its operator's words

    @property
    def is_revoked(self) -> bool:
        """Whether it is trusted no longer."""
        return self.revoked_ms > 0


class Trust(Value, frozen=True):
    """All keys that a machine knows, sorted by name."""

    keys: tuple[TrustedKey, ...] = ()

    def find(self, named: str) -> tuple[TrustedKey, ...]:
        """Return the keys of that name, or with ids that begin so."""
        by_name = tuple(key for key in self.keys if key.name == named)
        prefix = named if named.startswith("ed25519:") else f"ed25519:{named}"
        return by_name or tuple(key for key in self.keys if len(named) >= 4 and key.key_id.startswith(prefix))

    def recognised(self, signers: Iterable[Signer]) -> tuple[Signer, ...]:
        """Return the signers with their names, and those of revoked keys told so."""
        known = {key.key_id: key for key in self.keys}
        return tuple(_recognised(signer, known.get(signer.key_id)) for signer in signers)


class UnknownTrust(Trust, frozen=True):
    """The keys of a machine, where nobody can say which of them are revoked: no signature counts."""

    def recognised(self, signers: Iterable[Signer]) -> tuple[Signer, ...]:
        """Return the signers as if each key were revoked."""
        return tuple(replace(signer, name="", revoked=True) for signer in signers)


def with_key(trust: Trust, key: TrustedKey) -> Trust:
    """Return the trust with one more key, or with another word about one that it knows."""
    others = (known for known in trust.keys if known.key_id != key.key_id)
    return Trust(keys=tuple(sorted((*others, key), key=lambda each: (each.name, each.key_id))))


def without_key(trust: Trust, key_id: str) -> Trust:
    """Return the trust without a key."""
    return Trust(keys=tuple(key for key in trust.keys if key.key_id != key_id))


def _recognised(signer: Signer, key: TrustedKey | None) -> Signer:
    return Signer(
        key_id=signer.key_id,
        name=key.name if key else "",
        expires_ms=signer.expires_ms,
        revoked=key is not None and key.is_revoked,
    )

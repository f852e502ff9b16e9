"""The keys that a machine trusts, as a value: by them signers get their names, or are told revoked.

`store/trust.py` keeps it in the state directory, `airs trust` changes it. For a team, policies name signers.
"""

from collections.abc import Iterable

from orchestrator.model.base import Value
from orchestrator.model.signed import Signer

KEYS_MAX = 1_000
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,62}$"


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


def _recognised(signer: Signer, key: TrustedKey | None) -> Signer:
    return Signer(
        key_id=signer.key_id,
        name=key.name if key else "",
        expires_ms=signer.expires_ms,
        revoked=key is not None and key.is_revoked,
    )

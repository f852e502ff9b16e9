"""The evidence about a package's signatures: the keys that signed it, as plans, policies and views are told of them."""

from orchestrator.model.base import Value


class Signer(Value, frozen=True, order=True):
    """A key whose signature on this very artifact and Component.toml was checked and is good.

    `name` is the name by which this machine trusts the key, empty where it does not; `revoked` says that it does no
    longer. The signature holds until `expires_ms` (wall clock; 0 is for ever): the reader compares that with its now.
    """

    key_id: str
    name: str = ""
    expires_ms: int = 0
    revoked: bool = False

    @property
    def is_trusted(self) -> bool:
        """Whether this machine trusts the key; its signature may have expired all the same."""
        return bool(self.name) and not self.revoked

    def has_expired(self, now_ms: int) -> bool:
        """Whether the signature's time is over."""
        return 0 < self.expires_ms <= now_ms

    @property
    def shown(self) -> str:
        """The name and the key, as people see them."""
        short = self.key_id[: len("ed25519:") + 12]
        return f"{self.name} ({short})" if self.name else short

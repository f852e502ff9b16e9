"""How the commits of a repository have to be signed, by whom one was, and why one was refused."""

from enum import Enum

from orchestrator.model.base import Value


class VerifyMode(Enum):
    """The objects of a repository that have to be signed."""

    HEAD = "head"  # the commit that is read
    TAG = "tag"  # the annotated tag by which it is read
    EVERY_COMMIT = "every-commit"  # each commit since the one that was accepted last


class Verification(Value, frozen=True):
    """The mode, and paths of files: allowed signers of SSH or public keys of OpenPGP, and `revoked` keys of SSH."""

    mode: VerifyMode
    signers: tuple[str, ...]
    revoked: str = ""


class CommitSigner(Value, frozen=True):
    """The signer of a commit or tag: a name of the operator's file of keys, and the key's fingerprint."""

    name: str
    key: str

    def __str__(self) -> str:
        return self.name or self.key

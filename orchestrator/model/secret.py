"""The nouns of secrets: a value that does not show itself, and where it is used, sealed or missing.

Only a `Secret` holds a value. It is no `Value`: nothing can encode, compare or print it by accident, and only code that
says `reveal` gets at its text.
"""

from typing import Annotated, NoReturn

import msgspec

from orchestrator.model.base import Value
from orchestrator.model.ids import NAME_MAX_LENGTH, NAME_PATTERN

PlainName = Annotated[str, msgspec.Meta(max_length=NAME_MAX_LENGTH, pattern=NAME_PATTERN)]
REDACTED = "(redacted)"
SECRET_MAX_BYTES = 64 << 10


class Secret:
    """The text of a secret, shown as `(redacted)` by everything but `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for a guest or for sealing it."""
        return self._text

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return self is other  # comparing texts would tell how far they agree

    __hash__ = object.__hash__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class SecretName(Value, frozen=True, order=True):
    """A secret of a namespace."""

    namespace: PlainName
    name: PlainName

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class SecretUse(Value, frozen=True, order=True):
    """A secret of the deployment's namespace, and the variable that a guest finds it in.

    `fingerprint` is a keyed hash of the value, empty where that is not known.
    """

    name: str
    env: str
    fingerprint: str = ""


class SealedSecret(Value, frozen=True, order=True):
    """A value that only one agent's key opens: base64 of the sealed box, and the id of the key."""

    namespace: str
    name: str
    key: str
    sealed: str

    @property
    def id(self) -> SecretName:
        """The secret that it is a value of."""
        return SecretName(namespace=self.namespace, name=self.name)


class LackingSecret(Value, frozen=True, order=True):
    """A secret that a deployment names and the agent cannot give: why not, and what to do."""

    namespace: str
    name: str
    why: str
    hint: str = ""


class SecretView(Value, frozen=True):
    """A secret that is named or that there is a value of; `fingerprint` is empty where it cannot be given.

    `origin` is variable, folder or sealed, `where` says which. `problem` is why it cannot be given, `hint` what to do.
    """

    namespace: str
    name: str
    fingerprint: str = ""
    origin: str = ""
    where: str = ""
    used_by: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""

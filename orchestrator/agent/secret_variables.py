"""A revision's secrets → the variables of an instance that starts, or why it cannot have them."""

from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from orchestrator.model.event import Announce
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Exited
from orchestrator.model.secret import LackingSecret, Secret, SecretName
from orchestrator.model.spec import Revision
from orchestrator.observe.redaction import NOTHING_HIDDEN, Redaction
from orchestrator.secrets.secrets import Secrets

T = TypeVar("T")


class GivenSecrets(NamedTuple):
    """The variables of one instance, and what is taken out of its words."""

    variables: tuple[tuple[str, Secret], ...] = ()
    redaction: Redaction = NOTHING_HIDDEN

    def hidden(self, started: T | Exited) -> T | Exited:
        """Return what came of starting it, without the values in a reason that the guest gave."""
        if not isinstance(started, Exited) or not self.variables:
            return started
        reason = replace(started.reason, detail=self.redaction(started.reason.detail))
        return replace(started, reason=reason)


class SecretVariables:
    """Gives instances their secrets. All methods may be called from any thread."""

    def __init__(self, secrets: Secrets, announce: Announce) -> None:
        self._secrets, self._announce = secrets, announce
        self._differing: dict[DeploymentKey, str] = {}  # revisions that got another value than they were made with

    def of(self, revision: Revision, key: DeploymentKey) -> GivenSecrets | Exited:
        """Return the variables of an instance that starts."""
        if not revision.secrets:
            return GivenSecrets()
        variables: list[tuple[str, Secret]] = []
        for use in revision.secrets:
            found = self._secrets.read(SecretName(namespace=key.namespace, name=use.name), use.fingerprint)
            if isinstance(found, LackingSecret):
                detail = f"secret {use.name} {found.why}"
                return Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail=detail))
            if use.fingerprint and found.fingerprint != use.fingerprint:
                self._tell_of_another(key, revision, use.name)
            variables.append((use.env, found.value))
        return GivenSecrets(tuple(variables), Redaction(value for _, value in variables))

    def _tell_of_another(self, key: DeploymentKey, revision: Revision, name: str) -> None:
        """Warn of it once for each revision, not for each of its instances."""
        if self._differing.get(key) != revision.id:
            self._differing[key] = revision.id
            told = f"{revision.version} starts with the value of secret {name} that is in force, which is not its own"
            self._announce(key, "secret-differs", told)

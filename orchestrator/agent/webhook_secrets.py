"""The secrets of webhooks: the lines of a private file, or a secret of the agent; read anew as they change."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator.concurrency.clock import Clock
from orchestrator.model.secret import LackingSecret, SecretName
from orchestrator.model.settings import WebhookEndpoint
from orchestrator.secrets.secrets import Secrets
from orchestrator.store.files import NotPrivate, read_private

KEPT_MS = 1_000  # for which what was read is believed, so that a flood reads no file for each request
SHORT = 8  # characters; a shorter secret could be guessed by asking
SECRETS_MAX = 4  # of one endpoint, as while they change


class _ReadSecrets(NamedTuple):
    at_ms: int
    secrets: tuple[str, ...]
    problem: str

    def __repr__(self) -> str:
        return "_ReadSecrets(…)"


class WebhookSecrets:
    """The secrets of an agent's webhooks; may be asked from any thread."""

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets, self._clock = secrets, clock
        self._read: dict[str, _ReadSecrets] = {}

    def __call__(self, endpoint: WebhookEndpoint) -> Sequence[str]:
        """Return the secrets of an endpoint that hold now; none where they cannot be read."""
        return self._of(endpoint).secrets

    def problem(self, endpoint: WebhookEndpoint) -> str:
        """Say why an endpoint has none; empty where it has."""
        return self._of(endpoint).problem

    def _of(self, endpoint: WebhookEndpoint) -> _ReadSecrets:
        now, known = self._clock.monotonic_ms(), self._read.get(endpoint.name)
        if known is None or now - known.at_ms >= KEPT_MS:
            known = _checked(now, *self._looked_up(endpoint))
            self._read[endpoint.name] = known
        return known

    def _looked_up(self, endpoint: WebhookEndpoint) -> tuple[str, str]:
        """Return the text that holds the secrets, and why there is none."""
        if endpoint.secret_file:
            return private_text(endpoint.secret_file)
        namespace, _, name = endpoint.secret_name.partition("/")
        found = self._secrets.find(SecretName(namespace=namespace, name=name))
        if isinstance(found, LackingSecret):
            return "", f"the secret {endpoint.secret_name} {found.why}"
        return found.value.reveal(), ""


def private_text(file: str) -> tuple[str, str]:
    """Return the text of a file that only its user may read, and why there is none."""
    try:
        return read_private(Path(file)).decode(), ""
    except FileNotFoundError:
        return "", f"{file} does not exist"
    except NotPrivate as refused:
        return "", str(refused)
    except UnicodeDecodeError:
        return "", f"{file} is not UTF-8"
    except OSError as fault:
        return "", f"{file} cannot be read: {fault.strerror}"


def _checked(now_ms: int, text: str, problem: str) -> _ReadSecrets:
    lines = [line.strip() for line in text.splitlines() if line.strip()][:SECRETS_MAX]
    if problem or not lines:
        return _ReadSecrets(now_ms, (), problem or "its secret is empty")
    if any(len(line) < SHORT for line in lines):
        return _ReadSecrets(now_ms, (), f"its secret has fewer than {SHORT} characters")
    return _ReadSecrets(now_ms, tuple(lines), "")

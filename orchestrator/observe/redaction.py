"""Takes the secrets of an instance out of what it says: a guest that prints its password prints `(redacted)`.

That is for accidents. A guest that wants to give a secret away can write it in a way that nobody recognises.
"""

from collections.abc import Iterable

from orchestrator.model.secret import REDACTED, Secret

SHORT = 6  # characters: a value, or a line of one, that is shorter would be found in words that mean something else


class Redaction:
    """The values that are taken out of an instance's words, the longest first."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        lines = {line.strip() for secret in secrets for line in secret.reveal().splitlines()}
        self._hidden = sorted((line for line in lines if len(line) >= SHORT), key=lambda line: (-len(line), line))

    def __call__(self, text: str) -> str:
        """Return a text without the values."""
        for hidden in self._hidden:
            if hidden in text:
                text = text.replace(hidden, REDACTED)
        return text

    def __repr__(self) -> str:
        return f"<{len(self._hidden)} values>"


NOTHING_HIDDEN = Redaction()

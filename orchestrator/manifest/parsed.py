"""The trees of YAML files between two readers of the same bytes: whoever asks first has a file parsed, for the other.

`Resolver` keeps one. `references` asks when a file has been read, `resolve` asks soon after, and then nobody again.
"""

from collections.abc import Callable

from orchestrator.manifest.documents import Documents, read_documents

HELD_MAX_BYTES = 4 << 20  # of text; a tree takes some twenty times as much

Parse = Callable[[bytes], Documents]


class Parsed:
    """Files that were parsed, up to so many bytes; one beyond that is parsed by everybody who asks."""

    def __init__(self) -> None:
        self._held: dict[bytes, Documents] = {}
        self._bytes = 0

    def documents(self, data: bytes) -> Documents:
        """Return a file's documents; never raises, whatever the bytes."""
        held = self._held.pop(data, None)  # what is made of it next has the room of its tree
        if held is not None:
            self._bytes -= len(data)
            return held
        read = read_documents(data)
        if self._bytes + len(data) <= HELD_MAX_BYTES:
            self._held[data] = read
            self._bytes += len(data)
        return read

    def forget(self) -> None:
        """Hold nothing any more."""
        self._held, self._bytes = {}, 0

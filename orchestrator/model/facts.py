"""Facts about one deployment that its record does not hold, and that a plan tells: data, switches, senders."""

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey


class StoredData(Value, frozen=True):
    """The size of what a deployment stores: keys, and the bytes of all keys and values."""

    keys: int = 0
    bytes: int = 0


class Switch(Value, frozen=True):
    """How long one revision took to get all traffic, and for how long of that messages waited for it."""

    took_ms: int
    held_ms: int = 0


class SeenSender(Value, frozen=True, order=True):
    """A deployment that sent messages to another one, and when it was seen to do so last."""

    sender: DeploymentKey
    last_ms: int


class DeploymentFacts(Value, frozen=True):
    """All that is known of one deployment; `stored` is None where nobody can tell. The newest switch comes last."""

    key: DeploymentKey
    stored: StoredData | None = None
    switches: tuple[Switch, ...] = ()
    senders: tuple[SeenSender, ...] = ()

"""Turns a revision's grants and a canonical value into yes or no. Called by `host` on every guarded call."""

from collections.abc import Iterable

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Grant


def patterns_for(grants: Iterable[Grant], capability: str) -> tuple[str, ...]:
    """Return every pattern granted for `capability`, none when it is not granted at all."""
    return tuple(p for grant in grants if grant.capability == capability for p in grant.patterns)


def may_send(grants: Iterable[Grant], sender: DeploymentKey, target: DeploymentKey) -> bool:
    """Decide whether `sender` may send to `target`; a bare name in a pattern lies in the sender's namespace."""
    return any(_matches(p, sender.namespace, target) for p in patterns_for(grants, "messaging.send"))


def may_use_own_storage(grants: Iterable[Grant], capability: str) -> bool:
    """Decide whether `storage.read` or `storage.write` is granted on the deployment's own data."""
    return "self" in patterns_for(grants, capability)


def _matches(pattern: str, namespace: str, target: DeploymentKey) -> bool:
    wanted = DeploymentKey.parse(pattern, namespace)
    return _segment(wanted.namespace, target.namespace) and _segment(wanted.name, target.name)


def _segment(pattern: str, value: str) -> bool:
    # Whole segments only: a prefix is never a match, so `bill` does not open `billing`.
    return pattern in ("*", value)

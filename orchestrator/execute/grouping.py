"""Deployments → the groups they are in, each with its members in the order of their start."""

from collections.abc import Iterable

from orchestrator.model.spec import Deployment
from orchestrator.plan.dependencies import in_order

GroupKey = tuple[str, str]  # namespace, name


def grouped(serving: Iterable[Deployment]) -> dict[GroupKey, list[Deployment]]:
    """Return the members of every group: what they depend on first, be it through others, then by name."""
    by_key = {deployment.key: deployment for deployment in serving}
    if all(deployment.group is None for deployment in by_key.values()):
        return {}
    groups: dict[GroupKey, list[Deployment]] = {}
    for key in in_order({key: deployment.depends_on for key, deployment in by_key.items()}):
        group = by_key[key].group
        if group is not None:
            groups.setdefault((key.namespace, group.name), []).append(by_key[key])
    return groups

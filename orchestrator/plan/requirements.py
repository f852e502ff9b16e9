"""Components that need components → the obstacles of deployments whose needs nobody meets.

A Component.toml names components by name and range; any deployment of one in a version within the range meets the
need, whatever its own name. `make.py` calls it. The order of starting is `dependsOn`'s business.
"""

from collections.abc import Iterable, Iterator, Mapping

from orchestrator.manifest.graph import cycle_through, knots, written
from orchestrator.manifest.versions import parse_range, parse_version
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Reason
from orchestrator.plan.dependencies import Obstacle

Deployments = Mapping[DeploymentKey, Deployment]


def unmet_requirements(wanted: Iterable[Deployment], standing: Deployments) -> dict[DeploymentKey, Obstacle]:
    """Say for each wanted deployment which of its component's needs nobody meets.

    `standing` are the deployments that there are and stay; of one that is wanted as well, the wish counts.
    """
    wishes = {deployment.key: deployment for deployment in wanted}
    if not any(deployment.requires for deployment in wishes.values()):
        return {}
    there = {**standing, **wishes}
    versions: dict[str, set[str]] = {}
    for deployment in there.values():
        versions.setdefault(deployment.revision.component, set()).add(deployment.revision.version)
    circles = _circles(there.values())
    found = {}
    for key, deployment in wishes.items():
        reasons = [*_unmet(deployment, versions)]
        if deployment.revision.component in circles:
            reasons.append(f"components need each other in a circle: {circles[deployment.revision.component]}")
        if reasons:
            found[key] = Obstacle(Reason.MISSING_COMPONENT, "; ".join(reasons))
    return found


def _unmet(deployment: Deployment, versions: Mapping[str, set[str]]) -> Iterator[str]:
    for name, text in deployment.requires:
        there, wanted = versions.get(name, set()), parse_range(text)
        if any(parse_version(version) in wanted for version in there):
            continue
        what = f"{deployment.revision.component} needs component {name} {text}"
        if there:
            yield f"{what}, and deployed is {', '.join(sorted(there))}"
        else:
            yield f"{what}, which nobody deploys"


def _circles(deployments: Iterable[Deployment]) -> dict[str, str]:
    edges: dict[str, list[str]] = {}
    for deployment in deployments:
        edges.setdefault(deployment.revision.component, []).extend(name for name, _ in deployment.requires)
    known = {name: sorted({need for need in needs if need in edges}) for name, needs in sorted(edges.items())}
    return {name: written(cycle_through(min(group), group, known)) for group in knots(known) for name in group} | {
        name: f"{name} → {name}" for name, needs in known.items() if name in needs
    }

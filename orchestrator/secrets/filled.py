"""(a desired state, fingerprints) → the same with the fingerprint of each secret in its revisions. It is pure.

A revision with another fingerprint has another id, so that a changed value is rolled out like any other change.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from orchestrator.manifest.identity import identified
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.secret import LackingSecret, SecretName, SecretUse
from orchestrator.model.spec import Deployment

Fingerprints = Mapping[SecretName, str | LackingSecret]
Before = dict[DeploymentKey, tuple[Deployment, Deployment]]  # as it was resolved, and as it was filled


def secret_names(desired: DesiredState) -> frozenset[SecretName]:
    """Return the secrets that the deployments of a source name."""
    return frozenset(
        SecretName(namespace=deployment.key.namespace, name=use.name)
        for deployment in desired.deployments
        for use in deployment.revision.secrets
    )


def with_fingerprints(desired: DesiredState, found: Fingerprints, before: Before | None = None) -> DesiredState:
    """Return a desired state with these fingerprints; the very same where nothing is to be changed.

    A deployment that was filled `before` with the same is the very same again, so that no row of it is written anew;
    what was filled now is noted there.
    """
    lacking = tuple(sorted(each for each in found.values() if isinstance(each, LackingSecret)))
    deployments = tuple(_filled(deployment, found, before) for deployment in desired.deployments)
    same = all(one is other for one, other in zip(deployments, desired.deployments, strict=True))
    if same and lacking == desired.lacking:
        return desired
    return replace(desired, deployments=deployments, lacking=lacking)


def _filled(deployment: Deployment, found: Fingerprints, before: Before | None) -> Deployment:
    uses = deployment.revision.secrets
    filled = tuple(_use(deployment, use, found) for use in uses)
    if filled == uses:
        return deployment
    known = None if before is None else before.get(deployment.key)
    if known is not None and known[0] is deployment and known[1].revision.secrets == filled:
        return known[1]
    made = replace(deployment, revision=identified(replace(deployment.revision, secrets=filled)))
    if before is not None:
        before[deployment.key] = (deployment, made)
    return made


def _use(deployment: Deployment, use: SecretUse, found: Fingerprints) -> SecretUse:
    value = found.get(SecretName(namespace=deployment.key.namespace, name=use.name), "")
    return replace(use, fingerprint=value if isinstance(value, str) else "")

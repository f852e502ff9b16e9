"""Lists secrets for people: those that deployments name, and those that there is a value of. Values are not in it."""

from collections.abc import Iterable, Mapping

from orchestrator.model.desired import DesiredState
from orchestrator.model.secret import LackingSecret, SealedSecret, SecretName, SecretView
from orchestrator.secrets.secrets import FoundSecret, Secrets


def listed(secrets: Secrets, wanted: Iterable[DesiredState]) -> list[SecretView]:
    """List every secret, by namespace and name."""
    users: dict[SecretName, list[str]] = {}
    sealed: list[SealedSecret] = []
    for desired in wanted:
        sealed += desired.sealed
        for deployment in desired.deployments:
            for use in deployment.revision.secrets:
                name = SecretName(namespace=deployment.key.namespace, name=use.name)
                users.setdefault(name, []).append(str(deployment.key))
    names = {*users, *secrets.names(), *(each.id for each in sealed)}
    return [_view(name, secrets.find(name, sealed), users) for name in sorted(names)]


def fingerprinted(secrets: Secrets, names: Iterable[SecretName], sealed: Iterable[SealedSecret]) -> list[SecretView]:
    """Tell of each secret whether it can be given, with its fingerprint or why not."""
    brought = tuple(sealed)
    return [_view(name, secrets.find(name, brought), {}) for name in dict.fromkeys(names)]


def fingerprints_of(views: Iterable[SecretView]) -> dict[SecretName, str | LackingSecret]:
    """Return what was told, as a desired state is filled with it."""
    return {
        SecretName(namespace=view.namespace, name=view.name): view.fingerprint
        if not view.problem
        else LackingSecret(namespace=view.namespace, name=view.name, why=view.problem, hint=view.hint)
        for view in views
    }


def _view(name: SecretName, found: FoundSecret | LackingSecret, users: Mapping[SecretName, list[str]]) -> SecretView:
    used_by = tuple(sorted(set(users.get(name, ()))))
    if isinstance(found, LackingSecret):
        return SecretView(
            namespace=name.namespace, name=name.name, used_by=used_by, problem=found.why, hint=found.hint
        )  # fmt: skip
    return SecretView(
        namespace=name.namespace, name=name.name, used_by=used_by,
        fingerprint=found.fingerprint, origin=found.origin, where=found.where,
    )  # fmt: skip

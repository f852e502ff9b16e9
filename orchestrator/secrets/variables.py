"""Takes secrets out of the environment: `AIRS_SECRET_API_KEY`, for another namespace `AIRS_SECRET_SHOP__API_KEY`."""

from collections.abc import Mapping, MutableMapping

from orchestrator.model.ids import DEFAULT_NAMESPACE
from orchestrator.model.secret import Secret, SecretName

PREFIX = "AIRS_SECRET_"


def variable_name(name: SecretName) -> str:
    """Return the variable that a secret is read from."""
    space = "" if name.namespace == DEFAULT_NAMESPACE else f"{_capitals(name.namespace)}__"
    return f"{PREFIX}{space}{_capitals(name.name)}"


def secrets_among(variables: Mapping[str, str]) -> dict[str, Secret]:
    """Return the secrets among variables, by variable."""
    return {name: Secret(value) for name, value in variables.items() if name.startswith(PREFIX)}


def take_secrets(variables: MutableMapping[str, str]) -> dict[str, Secret]:
    """Take the secrets out of variables, so that no child process is handed them."""
    found = secrets_among(variables)
    for name in found:
        del variables[name]
    return found


def name_of(variable: str) -> SecretName:
    """Return the secret that a variable is read for."""
    space, double, name = variable.removeprefix(PREFIX).lower().replace("_", "-").rpartition("--")
    return SecretName(namespace=space if double else DEFAULT_NAMESPACE, name=name)


def _capitals(name: str) -> str:
    return name.upper().replace("-", "_")

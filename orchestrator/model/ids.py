"""The names of deployments, instances and sources."""

import msgspec

from orchestrator.model.base import Value

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
NAME_MAX_LENGTH = 63
DEFAULT_NAMESPACE = "default"


class DeploymentKey(Value, frozen=True, order=True):
    """A deployment's namespace and name; written `namespace/name`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str, namespace: str = DEFAULT_NAMESPACE) -> "DeploymentKey":
        """Read `name` or `namespace/name`; a bare name lies in `namespace`."""
        head, slash, tail = text.partition("/")
        return cls(namespace=head, name=tail) if slash else cls(namespace=namespace, name=head)


class ComponentId(msgspec.Struct, frozen=True, order=True):
    """The `component-id` record guests see: deployment plus the instance's own name (empty = any)."""

    namespace: str
    name: str
    instance: str = ""

    @property
    def deployment(self) -> DeploymentKey:
        """The deployment this id belongs to."""
        return DeploymentKey(self.namespace, self.name)

    def __str__(self) -> str:
        base = f"{self.namespace}/{self.name}"
        return f"{base}/{self.instance}" if self.instance else base

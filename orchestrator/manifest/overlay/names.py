"""How an overlay calls the deployments of its bases, and how what they say of each other follows.

References that follow: `dependsOn`, `uses`, targets of `messaging.send`, and the name of a group. Topics do not: they
are words of the components themselves, and so is all that `config` and arguments hold.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from orchestrator.manifest.node import Node, Place, find
from orchestrator.model.ids import DeploymentKey

EACH = "[]"
GROUP = ("spec", "group", "name")
REFERENCES = (  # to deployments, all that a manifest has
    ("spec", "dependsOn", EACH),
    ("spec", "grants", "messaging.send", EACH),
    ("spec", "uses", EACH, "deployment"),
)
FORMER = ("metadata", "formerly", EACH)  # names of its own: they follow whether or not a base still has them
Knows = Callable[[DeploymentKey | str], bool]


class Naming(msgspec.Struct, frozen=True):
    """The prefixes and the namespace that an overlay gives, each empty for none, and where they are written."""

    name_prefix: str = ""
    namespace: str = ""
    namespace_prefix: str = ""
    place: Place = (0, 0)

    @property
    def is_plain(self) -> bool:
        """Whether every deployment keeps its name."""
        return not (self.name_prefix or self.namespace or self.namespace_prefix)

    def of(self, key: DeploymentKey) -> DeploymentKey:
        """Return what a deployment is called."""
        return DeploymentKey(namespace=self.namespace_of(key.namespace), name=self.name_prefix + key.name)

    def namespace_of(self, namespace: str) -> str:
        """Return where the deployments of a namespace lie."""
        return self.namespace or self.namespace_prefix + namespace


class Renamed:
    """The deployments of an overlay's bases under the names that it gives them."""

    def __init__(self, naming: Naming, keys: Iterable[DeploymentKey]) -> None:
        self._naming = naming
        self._names: frozenset[DeploymentKey | str] = frozenset(name for key in keys for name in (key, key.namespace))

    def knows(self, name: DeploymentKey | str) -> bool:
        """Whether a base has a deployment of this key, or one in this namespace."""
        return name in self._names

    def document(self, root: Node, key: DeploymentKey, knows: Knows | None = None) -> Node:
        """Return the deployment `key` under its new name, with what it says of others.

        `knows` may stand in for this value's own, to hear what is asked.
        """
        naming = self._naming
        if naming.is_plain or not isinstance(root.value, dict):
            return root
        now = naming.of(key)
        root = with_value(root, ("metadata", "name"), Node(now.name, *_place(root, naming.place, "metadata", "name")))
        if naming.namespace or naming.namespace_prefix:
            place = _place(root, naming.place, "metadata", "namespace")
            root = with_value(root, ("metadata", "namespace"), Node(now.namespace, *place))
        for path in REFERENCES:
            root = _changed(root, path, lambda text: self._text(text, key.namespace, knows or self.knows))
        for former in (FORMER, FORMER[:-1]):  # a list of names, or one
            root = _changed(root, former, lambda text: _former(text, key.namespace, naming))
        return _changed(root, GROUP, lambda name: naming.name_prefix + name)

    def _text(self, written: str, namespace: str, knows: Knows) -> str:
        """Return how a reference is written now that stands in a deployment of `namespace`.

        One to no deployment of the bases stays as it is; a bare one then means the namespace of its deployment.
        """
        head, slash, tail = written.partition("/")
        if slash and tail == "*":
            return f"{self._naming.namespace_of(head)}/*" if knows(head) else written
        key = DeploymentKey.parse(written, namespace)
        if not knows(key):
            return written
        now = self._naming.of(key)
        return str(now) if slash else now.name


def _former(written: str, namespace: str, naming: Naming) -> str:
    now = naming.of(DeploymentKey.parse(written, namespace))
    return str(now) if "/" in written else now.name


def _changed(node: Node, path: tuple[str, ...], change: Callable[[str], str]) -> Node:
    """Return a tree with each text at `path` changed; EACH in a path stands for every item of a list."""
    value = node.value
    if not path:
        return Node(change(value), *node.place) if isinstance(value, str) else node
    key, *rest = path
    if key == EACH and isinstance(value, list):
        return Node([_changed(item, tuple(rest), change) for item in value], *node.place)
    if not isinstance(value, dict) or key not in value:
        return node
    return Node({**value, key: _changed(value[key], tuple(rest), change)}, *node.place, node.keys)


def _place(root: Node, otherwise: Place, *path: str) -> Place:
    found = find(root, *path)
    return found.place if found is not None else otherwise


def with_value(root: Node, path: tuple[str, ...], value: Node) -> Node:
    """Return a tree with a value at `path`; every step of the path but the last has to be a mapping."""
    if not path:
        return value
    if not isinstance(root.value, dict):
        return root
    key, *rest = path
    inner = root.value.get(key, Node({}, *value.place, {}))
    keys: Mapping[str, Place] = root.keys if key in root.value else {**root.keys, key: value.place}
    return Node({**root.value, key: with_value(inner, tuple(rest), value)}, *root.place, dict(keys))

"""Says of a deployment's secrets what the schema cannot: that no two things give a guest the same variable.

Values are nowhere near here: which secrets there are is the agent's business, once everything is resolved.
"""

from collections.abc import Iterator
from typing import Any

from orchestrator.manifest.node import Node, Place, Unplaced, find, items, nearest, text_at
from orchestrator.manifest.printable import excerpt
from orchestrator.model.secret import SecretUse


def secret_problems(root: Node) -> Iterator[Unplaced]:
    """Yield the variables of secrets that something else gives, too."""
    taken = dict(_other_variables(root))
    for item in items(find(root, "spec", "secrets")):
        name = item.value if isinstance(item.value, str) else text_at(item, "name")
        if not isinstance(name, str):  # malformed, and said to be
            continue
        env = text_at(item, "env") or variable_of(name)
        place = nearest(item, "env") if text_at(item, "env") else item.place
        if env in taken:
            what, (line, column) = taken[env]
            summary = f"variable {excerpt(env)} of secret {excerpt(name)} is given by {what} as well"
            detail = f"That is on line {line}, column {column}."
            yield Unplaced(*place, summary, detail, "give one of them another name, or remove it")
        taken.setdefault(env, ("another secret", place))


def _other_variables(root: Node) -> Iterator[tuple[str, tuple[str, Place]]]:
    for words, path in (("`spec.config`", ("spec", "config")), ("`spec.job.env`", ("spec", "job", "env"))):
        node = find(root, *path)
        for name, child in node.value.items() if node is not None and isinstance(node.value, dict) else ():
            if isinstance(child.value, str | int | float):  # a list or a mapping gives no variable
                yield name, (words, node.keys.get(name, child.place) if node is not None else child.place)


def secrets_of(written: list[Any]) -> tuple[SecretUse, ...]:
    """Return the secrets of a sound deployment."""
    named = ({"name": item} if isinstance(item, str) else item for item in written)
    return tuple(sorted(SecretUse(name=item["name"], env=item.get("env", variable_of(item["name"]))) for item in named))


def variable_of(name: str) -> str:
    """Return the variable of a secret that is given none of its own."""
    return name.upper().replace("-", "_")

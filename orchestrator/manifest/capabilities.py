"""Capabilities that can be asked for and granted: whether a grant was asked for, and whether it can be held at all.

`component` reads those asked for, `deployment` those granted; a capability that nothing acts on is not here.
"""

from collections.abc import Iterator

from orchestrator.manifest.node import Node, Place, Unplaced, find, items
from orchestrator.manifest.printable import excerpt
from orchestrator.model.ids import DeploymentKey
from orchestrator.patterns.folders import folder_of, forbidden_by, is_within
from orchestrator.patterns.topic import covers_any, is_pattern

FOLDERS = ("filesystem.read", "filesystem.write")
NETWORK = "network.connect"
EVERYWHERE = "**"
SUBSCRIBE = "messaging.subscribe"
TOPICS = ("messaging.publish", SUBSCRIBE)
CAPABILITIES = (*FOLDERS, "messaging.send", *TOPICS, NETWORK, "storage.read", "storage.write")


def grant_problems(
    grants: Node | None, namespace: str, asks: dict[str, tuple[str, ...]], component: str
) -> Iterator[Unplaced]:
    """Yield what is wrong with a deployment's grants: not asked for, or nothing that a host could hold."""
    for capability in CAPABILITIES:
        asked = asks.get(capability, ())
        for item in items(find(grants, capability)):
            if not isinstance(item.value, str):
                continue
            if not _covers(capability, asked, item.value, namespace):
                yield _beyond(item, capability, asked, component)
            elif capability in FOLDERS:
                yield from _forbidden(item, item.value)
            elif capability == NETWORK and item.value != EVERYWHERE:
                yield _too_narrow(item, item.value)


def ungranted(
    grants: Node | None, place: Place, asks: dict[str, tuple[str, ...]], needed: dict[str, str], why: dict[str, str]
) -> Iterator[Unplaced]:
    """Warn of what a component asks for and imports, and is not granted; `why` is its author's word for wanting it.

    An empty list says that it is meant to be denied.
    """
    for capability, asked in asks.items():
        if capability not in needed or find(grants, capability) is not None:
            continue
        patterns = ", ".join(excerpt(pattern).strip("`") for pattern in asked)
        because = f", because {excerpt(why[capability])}" if capability in why else ""
        yield Unplaced(
            *place,
            f"`{capability}` is not granted: every call that needs it is denied",
            f"Its Component.toml asks for {capability} on {patterns}{because}; the import is {needed[capability]}.",
            f"add `{capability}: [{patterns}]` to `spec.grants`, or `{capability}: []` if it is meant to be denied",
            is_error=False,
        )


def _covers(capability: str, asked: tuple[str, ...], granted: str, namespace: str) -> bool:
    if capability in FOLDERS:
        return any(is_within(folder_of(granted), folder_of(pattern)) for pattern in asked)
    if capability == NETWORK:
        return granted in asked or EVERYWHERE in asked
    if capability in TOPICS:
        return is_pattern(granted) and covers_any(filter(is_pattern, asked), granted)
    wanted = DeploymentKey.parse(granted, namespace)
    offers = (DeploymentKey.parse(pattern, namespace) for pattern in asked)
    return any(o.namespace == wanted.namespace and o.name in ("*", wanted.name) for o in offers)


def _beyond(item: Node, capability: str, asked: tuple[str, ...], component: str) -> Unplaced:
    what = f"`{capability}` on {excerpt(str(item.value))}"
    listed = ", ".join(asked) if asked else "nothing"
    detail = f"For {capability} the component asks for {listed}."
    return Unplaced(*item.place, f"grants {what}, which {component} does not ask for", detail, "remove it")


def _forbidden(item: Node, pattern: str) -> Iterator[Unplaced]:
    folder = folder_of(pattern)
    by = forbidden_by(folder)
    if by is None:
        return
    why = "which is never handed to a guest"
    how = "is" if folder == by else "lies in" if is_within(folder, by) else "holds"
    summary = f"{excerpt(pattern)} cannot be granted: it {how} {by}, {why}"
    yield Unplaced(*item.place, summary, suggestion="grant a directory that holds only what the guest needs")


def _too_narrow(item: Node, pattern: str) -> Unplaced:
    return Unplaced(
        *item.place,
        f"{excerpt(pattern)} is narrower than what can be held for wasi:sockets",
        "The host's sockets are open or shut as a whole. Single hosts would be possible for a component that "
        "connects through `airssys:network`, which this version does not provide.",
        'write `network.connect: ["**"]`, or remove it',
    )

"""Holds an `airs.toml` against the rules that a schema cannot say: what belongs together, and what may stand once."""

from collections.abc import Iterator

from orchestrator.manifest.node import Node, Unplaced, find, items, text_at
from orchestrator.manifest.printable import excerpt


def rule_problems(root: Node) -> Iterator[Unplaced]:
    """Yield the problems of a file that fits its schema."""
    webhooks = find(root, "webhooks")
    endpoints = [*items(find(webhooks, "endpoints"))]
    yield from _webhook_problems(webhooks, endpoints)
    yield from _twice(endpoints, "name", "webhooks.endpoints")
    yield from _same_paths(endpoints)
    forges, notifications = ([*items(find(root, name))] for name in ("forges", "notifications"))
    yield from _twice([*forges, *notifications], "name", "forges and notifications")
    for forge in forges:
        yield from _forge_problems(forge)
    for notification in notifications:
        yield from _notification_problems(notification)
    yield from _twice([*items(find(root, "sources"))], "name", "sources")


def _webhook_problems(webhooks: Node | None, endpoints: list[Node]) -> Iterator[Unplaced]:
    if webhooks is None:
        return
    if endpoints and text_at(webhooks, "listen") is None:
        summary = "`webhooks.endpoints` without `webhooks.listen`: nothing listens"
        yield Unplaced(*webhooks.place, summary, suggestion='add `listen = "127.0.0.1:8420"` under `[webhooks]`')
    if (text_at(webhooks, "certificate") is None) != (text_at(webhooks, "key") is None):
        yield Unplaced(*webhooks.place, "`webhooks.certificate` and `webhooks.key` are given together or not at all")
    for endpoint in endpoints:
        yield from _secret_problems(endpoint)


def _secret_problems(endpoint: Node) -> Iterator[Unplaced]:
    given = [key for key in ("secret-name", "secret-file") if text_at(endpoint, key) is not None]
    if not given:
        hint = "add `secret-file`, the path of a file with mode 0600; without a secret nobody may ask"
        yield Unplaced(*endpoint.place, f"the webhook {_named(endpoint)} has no secret", suggestion=hint)
    if len(given) > 1:
        yield Unplaced(*endpoint.place, f"the webhook {_named(endpoint)} has two secrets", suggestion="remove one")
    if text_at(endpoint, "header") is not None and text_at(endpoint, "kind") != "generic":
        summary = f"the webhook {_named(endpoint)} has a `header`, which is for the kind `generic` alone"
        yield Unplaced(*endpoint.place, summary, suggestion="remove it")


def _forge_problems(forge: Node) -> Iterator[Unplaced]:
    kind, given = text_at(forge, "kind"), forge.value if isinstance(forge.value, dict) else {}
    if kind == "git-note":
        for key in ("url", "token-file"):
            if key in given:
                yield Unplaced(*given[key].place, f"the forge {_named(forge)} is a git note, which has no `{key}`")
        return
    for key in ("repository", "token-file", *(["url"] if kind in ("gitea", "forgejo") else [])):
        if key not in given:
            yield Unplaced(*forge.place, f"the forge {_named(forge)} has no `{key}`", suggestion=f"add `{key}`")
    if "repository" in given and kind != "gitlab" and (text_at(forge, "repository") or "").count("/") != 1:
        summary = f"the repository of the forge {_named(forge)} is not written OWNER/NAME"
        yield Unplaced(*given["repository"].place, summary)


def _notification_problems(notification: Node) -> Iterator[Unplaced]:
    given = [key for key in ("url", "url-file") if text_at(notification, key) is not None]
    if len(given) != 1:
        summary = f"the notification {_named(notification)} has {'two URLs' if given else 'no URL'}"
        yield Unplaced(*notification.place, summary, suggestion="give either `url` or `url-file`")
    if text_at(notification, "kind") == "slack" and text_at(notification, "secret-file") is not None:
        summary = f"the notification {_named(notification)} has a `secret-file`, which is for the kind `webhook` alone"
        yield Unplaced(*notification.place, summary, suggestion="remove it; a chat knows its sender by the URL")


def _same_paths(endpoints: list[Node]) -> Iterator[Unplaced]:
    seen: set[str] = set()
    for endpoint in endpoints:
        path = text_at(endpoint, "path") or f"/{text_at(endpoint, 'name')}"
        if path in seen:
            yield Unplaced(*endpoint.place, f"two webhooks have the path {excerpt(path)}", suggestion="change one")
        seen.add(path)


def _twice(entries: list[Node], key: str, where: str) -> Iterator[Unplaced]:
    seen: set[str] = set()
    for entry in entries:
        name = text_at(entry, key) or ""
        if name in seen:
            yield Unplaced(*entry.place, f"{excerpt(name)} is in `{where}` twice", suggestion="rename one")
        seen.add(name)


def _named(entry: Node) -> str:
    return excerpt(text_at(entry, "name") or "")

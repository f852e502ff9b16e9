"""Names of deployments and other things on the command line, checked before anybody is asked about them."""

import re
from typing import TYPE_CHECKING, Any

import click

from orchestrator.model.ids import DEFAULT_NAMESPACE, NAME_MAX_LENGTH, NAME_PATTERN, ComponentId, DeploymentKey

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMPLETION_S = 1.0  # for the agent to answer somebody who presses Tab
_NAME = re.compile(NAME_PATTERN, re.ASCII)


def _is_label(text: str) -> bool:
    return len(text) <= NAME_MAX_LENGTH and _NAME.fullmatch(text) is not None


class Name(click.ParamType[DeploymentKey]):
    """`hello` or `billing/hello` → a deployment's key, or the like of another `noun`."""

    name = "name"

    def __init__(self, noun: str = "deployment") -> None:
        self._noun = noun

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DeploymentKey:
        """Read one."""
        if isinstance(value, DeploymentKey):
            return value
        key = DeploymentKey.parse(value)
        if not (_is_label(key.namespace) and _is_label(key.name)):
            self.fail(
                f"{value[:80]!a} names no {self._noun}: write NAME or NAMESPACE/NAME, of lower-case letters, digits, -",
                param, ctx,
            )  # fmt: skip
        return key

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Name the deployments that there are."""
        return known_names(ctx, incomplete) if self is NAME else []


class Address(click.ParamType[ComponentId]):
    """`hello`, `billing/hello`, or `billing/hello/PART` → whom a message is to: an instance of it, or a key."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ComponentId:
        """Read one."""
        if isinstance(value, ComponentId):
            return value
        namespace, slash, rest = value.partition("/")
        name, slash, part = rest.partition("/")
        if not slash:
            key = NAME.convert(value, param, ctx)
            return ComponentId(key.namespace, key.name)
        key = NAME.convert(f"{namespace}/{name}", param, ctx)
        return ComponentId(key.namespace, key.name, WORD.convert(part, param, ctx))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Name the deployments that there are."""
        return known_names(ctx, incomplete)


class Label(click.ParamType[str]):
    """The name of one thing, without a namespace."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read one."""
        if not _is_label(value):
            self.fail(f"{value[:80]!a} is no name: write lower-case letters, digits, -", param, ctx)
        return str(value)


class Word(click.ParamType[str]):
    """Text that ends up in documents: not empty, UTF-8, no control characters."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read one."""
        if not value or not value.isprintable():  # what is no UTF-8 has become surrogates, which do not print
            self.fail(f"{value[:80]!a} is empty, or has characters that do not print", param, ctx)
        return str(value)


NAME, SECRET_NAME = Name(), Name("secret")
LABEL = Label()
WORD = Word()
ADDRESS = Address()


def known_names(context: click.Context, incomplete: str) -> "list[CompletionItem]":
    """Ask the agent which deployments there are; where it does not answer at once, there are none."""
    from click.shell_completion import CompletionItem

    from orchestrator.cli.context import Settings
    from orchestrator.contract.problem import Failure

    try:
        with context.scope():
            client = context.ensure_object(Settings).connection(COMPLETION_S)
        keys = [DeploymentKey(namespace=view.namespace, name=view.name) for view in client.deployments()]
    except Failure:
        return []
    shown = [key.name if key.namespace == DEFAULT_NAMESPACE and "/" not in incomplete else str(key) for key in keys]
    return [CompletionItem(name) for name in shown if name.startswith(incomplete)]


def key_argument(function: Any) -> Any:
    """Add the argument NAME."""
    return click.argument("name", metavar="NAME", type=NAME)(function)


def address_argument(function: Any) -> Any:
    """Add the argument NAME, which may also name an instance, or a key."""
    return click.argument("name", metavar="NAME", type=ADDRESS)(function)


def optional_key_argument(function: Any) -> Any:
    """Add the argument [NAME]."""
    return click.argument("name", metavar="[NAME]", required=False, type=NAME)(function)


def reason_option(function: Any) -> Any:
    """Add the option --reason."""
    return click.option("--reason", type=WORD, help="Why, for the history and the events.")(function)


def keys_argument(function: Any) -> Any:
    """Add the argument NAME..., of which there is at least one."""
    return click.argument("names", metavar="NAME...", nargs=-1, required=True, type=NAME)(function)

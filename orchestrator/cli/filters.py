"""`-n NAMESPACE` and `-l LABELS`: which of a list is shown."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import click

from orchestrator.cli.names import LABEL
from orchestrator.contract.documents import DeploymentView
from orchestrator.model.ids import DEFAULT_NAMESPACE, DeploymentKey

_TERM = re.compile(r"(!?)([^\s=!,]+)(?:(!=|==?)([^\s=!,]*))?")
SAYS = "write NAME=VALUE, NAME!=VALUE, NAME or !NAME, with commas between"


class Term(NamedTuple):
    """One condition on labels: that there is one, or that it has a value; or, with `negated`, that it is not so."""

    name: str
    value: str | None
    negated: bool

    def holds(self, labels: dict[str, str]) -> bool:
        """Whether labels are so."""
        found = labels.get(self.name)
        return (found is not None if self.value is None else found == self.value) is not self.negated


class Labels(click.ParamType[tuple[Term, ...]]):
    """`team=core,!experimental` → conditions, all of which have to hold."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Term, ...]:
        """Read some."""
        if isinstance(value, tuple):
            return value
        return tuple(self._term(text.strip(), param, ctx) for text in value.split(","))

    def _term(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Term:
        found = _TERM.fullmatch(text)
        if found is None or (found[1] and found[3]):
            self.fail(f"{text[:40]!a} says nothing about labels: {SAYS}", param, ctx)
        return Term(found[2], found[4] if found[3] else None, bool(found[1]) or found[3] == "!=")


class Filter(NamedTuple):
    """Which deployments are meant: those of a namespace, with certain labels."""

    namespace: str | None
    labels: tuple[Term, ...]

    @property
    def is_open(self) -> bool:
        """Whether it takes everything."""
        return self.namespace is None and not self.labels

    def of(self, views: Iterable[DeploymentView]) -> list[DeploymentView]:
        """Return those that are meant."""
        return [view for view in views if self._takes(view)]

    def _takes(self, view: DeploymentView) -> bool:
        return self.namespace in (None, view.namespace) and all(term.holds(view.labels) for term in self.labels)

    def named(self, key: DeploymentKey | None) -> DeploymentKey | None:
        """Return the deployment that was named: a name without a namespace lies in the one that is meant.

        Raises:
            click.UsageError: it lies in another, or labels are asked for as well.
        """
        if key is None or self.is_open:
            return key
        if self.labels:
            raise click.UsageError("NAME is one deployment, and --label asks for several: give one of them")
        if key.namespace not in (DEFAULT_NAMESPACE, self.namespace):
            raise click.UsageError(f"{key} does not lie in the namespace {self.namespace}")
        return DeploymentKey(namespace=self.namespace or key.namespace, name=key.name)


def filter_options(function: Any) -> Any:
    """Add -n and -l, which the command gets as one `Filter` named `only`."""

    def made(*arguments: Any, namespace: str | None, labels: tuple[Term, ...] | None, **named: Any) -> Any:
        return function(*arguments, only=Filter(namespace, labels or ()), **named)

    made.__name__, made.__doc__ = function.__name__, function.__doc__
    made.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    options: tuple[Callable[[Any], Any], ...] = (
        click.option("-n", "--namespace", type=LABEL, help="Only what lies in this namespace."),
        click.option(
            "-l", "--label", "labels", metavar="LABELS", type=Labels(),
            help="Only deployments with these labels: `team=core`, `team!=core`, `team`, `!team`, with commas between.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        made = option(made)
    return made

"""How the agent hears of forges and tells others: in lines of `airs agent status`, in findings of `airs doctor`."""

from collections.abc import Iterator, Sequence

from orchestrator.cli.show import clock, table
from orchestrator.cli.terminal import Console, Text
from orchestrator.contract.documents import PublishedView, ReceiverView, WebhookEndpointView, WebhooksView
from orchestrator.model.finding import Finding, ok, problem, warning
from orchestrator.observe.events import printable

_LOOPBACK = ("127.", "[::1]")


def show_webhooks(console: Console, view: WebhooksView) -> None:
    """Print where the webhook listener is, and what was asked of it."""
    if not view.listening:
        console.print(Text.assemble(("webhooks   ", "bold red"), printable(f"not listening: {view.problem}")))
        return
    scheme = "https" if view.encrypted else "http"
    nowhere = f"; without an endpoint: {_refused(view.refused)}" if view.refused else ""
    looks = f"{view.looks} look{'s' * (view.looks != 1)} at sources, {view.merged} merged into another"
    console.print(Text(f"webhooks   {scheme}://{view.listening}: {looks}{nowhere}"))
    for endpoint in view.endpoints:
        console.print(Text(f"           {printable(_told(endpoint))}", style="bold red" if endpoint.problem else ""))


def _told(endpoint: WebhookEndpointView) -> str:
    told = f"{endpoint.path} ({endpoint.forge}) accepted {endpoint.accepted}"
    if endpoint.accepted_at:
        told += f", the last {clock(endpoint.accepted_at)}"
    if endpoint.refused:
        told += f"; refused {_refused(endpoint.refused)}, the last {clock(endpoint.refused_at)}"
    return f"{told}; {endpoint.problem}" if endpoint.problem else told


def _refused(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in counts.items())


def webhook_findings(view: WebhooksView) -> Iterator[Finding]:
    """Say how the webhook listener is, as far as it can be known on this machine."""
    about = "webhooks"
    if not view.listening:
        hint = "Mend that; it is tried again every second. Sources are still read at their intervals."
        yield problem(about, "nothing listens, so pushes are noticed late", hint, view.problem)
        return
    yield ok(about, f"pushes may be told at {view.listening}")
    for endpoint in view.endpoints:
        if endpoint.problem:
            hint = "Write the secret there, in a file with mode 0600."
            yield problem(about, f"{endpoint.path} refuses every request", hint, endpoint.problem)
        elif endpoint.refused.get("wrong-signature") and not endpoint.accepted:
            hint = f"Compare its secret here with that of the webhook at the forge; the kind here is {endpoint.forge}."
            yield warning(about, f"{endpoint.path} refused every request so far for a wrong signature", hint)
    if not view.encrypted and not view.listening.startswith(_LOOPBACK):
        hint = "Name a `certificate`, or listen at 127.0.0.1 behind a proxy that speaks TLS."
        yield warning(about, "it speaks no TLS, and not to this machine alone", hint)


def show_published(console: Console, views: Sequence[PublishedView]) -> None:
    """Print where the exported state is kept, and what keeps it from being there."""
    for view in views:
        when = f", serial {view.serial} since {clock(view.at)}" if view.at else ""
        console.print(Text(printable(f"published  {view.place}{when}")))
        if view.problem:
            console.print(Text.assemble(("published  ", "bold red"), printable(f"not up to date: {view.problem}")))


COLUMNS = ("NAME", "KIND", "TOLD", "LAST", "WAITING", "DROPPED", "LAST FAILURE")


def receiver_table(console: Console, receivers: Sequence[ReceiverView]) -> None:
    """Print the receivers of news."""
    rows = [
        (each.name, each.kind, str(each.sent), clock(each.sent_at), str(each.waiting), str(each.dropped),
         f"{clock(each.failed_at)} {each.failure}" if each.failure else "–")
        for each in receivers
    ]  # fmt: skip
    table(console, COLUMNS, rows)


def show_receivers(console: Console, receivers: Sequence[ReceiverView]) -> None:
    """Print a line for each receiver of news."""
    for index, each in enumerate(receivers):
        told = f"{each.name} ({each.kind}) told {each.sent}"
        told += f", the last {clock(each.sent_at)}" if each.sent_at else ""
        told += f"; {each.waiting} waiting" if each.waiting else ""
        told += f"; {each.dropped} dropped" if each.dropped else ""
        failed = f"; {'failing since' if each.failures else 'last failure'} {clock(each.failed_at)}: {each.failure}"
        head = "notify     " if not index else " " * 11
        console.print(Text(printable(f"{head}{told}{failed if each.failure else ''}"), style=_style(each)))


def _style(receiver: ReceiverView) -> str:
    return "bold red" if receiver.failures else ""


def receiver_findings(receivers: Sequence[ReceiverView]) -> Iterator[Finding]:
    """Say how the receivers of news are, as the agent last found."""
    for each in receivers:
        about = f"notify {each.name}"
        if each.failures:
            hint = f"Mend that; it is tried again. `airs notify test {each.name}` tries it now."
            waiting = f"{each.waiting} wait{'s' * (each.waiting == 1)} to be told, after {each.failures} failures"
            yield problem(about, "it cannot be told", hint, f"{each.failure}; {waiting}")
        elif each.dropped:
            hint = f"Last failure: {each.failure}" if each.failure else "There was more than it takes in time."
            yield warning(about, f"{each.dropped} were dropped", hint)
        else:
            yield ok(about, f"told {each.sent}" if each.sent else "nothing to tell yet")

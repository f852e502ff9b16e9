"""`airs approvals` and `airs approve`: what waits for a person, and a person's consent to exactly that."""

from collections.abc import Sequence

import click

from orchestrator.cli.context import Settings, command
from orchestrator.cli.names import WORD, key_argument
from orchestrator.cli.show import clock, table
from orchestrator.cli.terminal import Console, Text
from orchestrator.contract.codes import FAILED
from orchestrator.contract.documents import ApprovalView, GrantView
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import DeploymentKey
from orchestrator.observe.events import printable

ID_DIGITS = 12  # of an approval, as it is shown
GRANT_COLUMNS = ("DEPLOYMENT", "CAPABILITY", "PATTERN", "ASKED", "GRANTED", "IN FORCE", "WHY")


@command()
@click.option("--given", is_flag=True, help="Those that were given, instead of those that are waited for.")
def approvals(settings: Settings, given: bool) -> None:
    """List the deployments that wait for an approval, and exactly what for."""
    found = [each for each in settings.client().approvals() if each.state == ("given" if given else "waiting")]
    if settings.is_json:
        settings.print_json(found)
        return
    console = settings.out()
    if not found:
        console.print("No approvals were given." if given else "Nothing waits for an approval.")
    for each in found:
        _show(console, each)
    if found and not given:
        settings.err().print("    → `airs approve NAME --id ID --reason WHY` approves exactly that", style="cyan")


@command()
@key_argument
@click.option("--reason", type=WORD, required=True, help="Why, for the history, the events and the audit book.")
@click.option("--id", "shown_id", type=WORD, help="Approve this alone, as `airs approvals` shows it.")
@click.option("--print", "only_print", is_flag=True, help="Print a document to commit to the policies instead.")
def approve(settings: Settings, name: DeploymentKey, reason: str, shown_id: str | None, only_print: bool) -> None:
    """Approve what a deployment waits for: these capabilities, for this artifact, and nothing else.

    With --id, nothing is approved where the deployment waits for something else by now.
    """
    client = settings.client()
    waiting = [each for each in client.approvals() if each.state == "waiting" and _key_of(each) == name]
    if not waiting:
        hint = "`airs approvals` lists those that do."
        raise Failure(f"{name} waits for no approval", suggestion=hint, exit_code=FAILED)
    if shown_id is not None and not (len(shown_id) >= ID_DIGITS and _id_of(waiting[0], len(shown_id)) == shown_id):
        why = f"That has the id {_id_of(waiting[0])}."
        raise Failure(f"{name} waits for another approval by now", why, "Look at it again: `airs approvals`.")
    if only_print:
        click.echo(document_of(waiting[0], reason), nl=False)
        return
    _show(settings.err(), waiting[0])
    done = client.approve(name, waiting[0].subject, reason)
    settings.err().print(Text(printable(done.message)))


def _show(console: Console, approval: ApprovalView) -> None:
    console.print(Text.assemble((str(_key_of(approval)), "bold"), f"  {approval.artifact}  id {_id_of(approval)}"))
    for grant in approval.capabilities:
        console.print(Text(printable(f"    {grant.capability}  {', '.join(grant.patterns)}")))
    if approval.state == "given":
        who = approval.file or f"{approval.by}, {clock(approval.at)}"
        console.print(Text(printable(f"    by {who}{f': {approval.why}' if approval.why else ''}"), style="dim"))
    elif approval.file:
        console.print(Text(printable(f"    asked for in {approval.file}"), style="dim"))


def _id_of(approval: ApprovalView, digits: int = ID_DIGITS) -> str:
    """Return the beginning of the digest of all that is approved."""
    return approval.subject.removeprefix("sha256:")[:digits]


def document_of(approval: ApprovalView, reason: str) -> str:
    """Write an approval as a document for the policy source."""
    lines = [
        "apiVersion: airs.dev/v1", "kind: Approval", f"metadata: {{name: {approval.deployment}}}", "spec:",
        f"  deployment: {_key_of(approval)}", f"  artifact: {approval.artifact}", "  capabilities:",
    ]  # fmt: skip
    for grant in approval.capabilities:
        lines.append(f"    {grant.capability}:")
        lines += [f"      - {_quoted(pattern)}" for pattern in grant.patterns]
    return "\n".join([*lines, f"  reason: {_quoted(reason)}"]) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _key_of(approval: ApprovalView) -> DeploymentKey:
    return DeploymentKey(namespace=approval.namespace, name=approval.deployment)


def show_grants(console: Console, found: Sequence[GrantView]) -> None:
    """Print grants as a table."""
    if not found:
        console.print("No deployment asks for a capability, or has one.")
        return
    rows = [
        (
            f"{each.namespace}/{each.deployment}", each.capability, each.pattern, _word(each.asked),
            _word(each.granted), _word(each.in_force), each.why,
        )
        for each in found
    ]  # fmt: skip
    table(console, GRANT_COLUMNS, rows)


def _word(answer: bool) -> str:
    return "yes" if answer else "no"

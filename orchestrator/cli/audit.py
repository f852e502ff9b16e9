"""`airs audit`: shows the audit book, verifies it, writes it out, and prints its head. It needs no agent."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from orchestrator.audit.book import FOLDER, read_book, segments_in
from orchestrator.audit.chain import KeptHead, Verified, entries_in, verify
from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.durations import MOMENT
from orchestrator.cli.names import WORD
from orchestrator.cli.show import clock
from orchestrator.cli.terminal import Text
from orchestrator.contract.codes import FAILED, INVALID, OK, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.model.audit import AuditEntry, AuditHead, AuditKind
from orchestrator.observe.events import printable

KINDS = tuple(kind.value for kind in AuditKind)
WARNED = (AuditKind.DENIED, AuditKind.REFUSED, AuditKind.COMMIT_REFUSED, AuditKind.DAMAGED, AuditKind.TRIMMED)
DIGITS, SUBJECT_WIDTH = 12, 24  # of a digest in text, and of the column of subjects, most of which are shorter
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b", re.ASCII)
_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)


class HeadArgument(click.ParamType[AuditHead]):
    """`NUMBER:HASH`, as `airs audit head` prints it."""

    name = "head"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AuditHead:
        """Read one."""
        if isinstance(value, AuditHead):
            return value
        found = _HEAD.fullmatch(value)
        if found is None:
            self.fail(f"{value[:100]!a} is no head: write NUMBER:HASH, as `airs audit head` prints it", param, ctx)
        return AuditHead(number=int(found[1]), hash=found[2])


@click.group()
@global_options
def audit() -> None:
    """Look at the audit book, which tells who decided and was allowed what, and verify that nobody changed it."""


@command()
@click.argument("subject", required=False, type=WORD)
@click.option("--since", type=MOMENT, help="From then on: 10m ago, or 2026-11-28T18:00.")
@click.option("--until", type=MOMENT, help="Before then.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only of this kind; may be repeated.")
@click.option("--tail", type=click.IntRange(1), metavar="N", help="Only the newest N entries.")
def show(
    settings: Settings, subject: str | None, since: int | None, until: int | None, kinds: tuple[str, ...],
    tail: int | None,
) -> None:  # fmt: skip
    """Show the entries, those about one SUBJECT if it is given: a deployment or a source."""
    _bring_up_to_date(settings)
    found: list[AuditEntry] = []
    for entry in (entry for _, data in _book(settings) for entry in entries_in(data)):
        if _is_wanted(entry, subject, kinds) and (since or 0) <= entry.at_ms < (until or entry.at_ms + 1):
            found.append(entry)
    for entry in found[-tail:] if tail else found:
        if settings.is_json:
            settings.print_document(msgspec.json.encode(entry, order="deterministic"))
        else:
            settings.out().print(_text_of(entry))


def _is_wanted(entry: AuditEntry, subject: str | None, kinds: tuple[str, ...]) -> bool:
    is_subject = subject is None or entry.subject in (subject, f"default/{subject}")
    return is_subject and (not kinds or entry.kind in kinds)


def _text_of(entry: AuditEntry) -> Text:
    """Write an entry on one line, with digests cut to what tells them apart; JSON has all of them."""
    facts = "  ".join(f"{name}={_DIGEST.sub(_first_digits, text)}" for name, text in entry.facts.items())
    who = f"by {entry.by}" if entry.by else ""
    words = "  ".join(filter(None, (who, f'"{entry.why}"' if entry.why else "", facts)))
    style = "yellow" if entry.kind in WARNED else ""
    return Text.assemble(
        (f"{entry.number:>6}  {clock(entry.at_ms)}", "dim"), "  ", (f"{entry.kind:14}", style),
        f"  {printable(entry.subject):<{SUBJECT_WIDTH}}  {printable(words)}",
    )  # fmt: skip


def _first_digits(digest: re.Match[str]) -> str:
    return digest[0][:DIGITS]


@command("verify")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--head", "heads", multiple=True, type=HeadArgument(), metavar="NUMBER:HASH",
    help="A head that was kept elsewhere: find out whether the book still goes that far. May be repeated.",
)  # fmt: skip
def verify_(settings: Settings, file: Path | None, heads: tuple[AuditHead, ...]) -> int:
    """Verify that no entry was changed, cut, inserted or moved: in the book, or in a FILE that was exported."""
    if file is None:
        _bring_up_to_date(settings)
    found = verify(_exported(file) if file is not None else _book(settings), heads)
    if settings.is_json:
        settings.print_json(found)
    else:
        _show_verified(settings, found)
    return INVALID if found.flaws else OK


def _show_verified(settings: Settings, found: Verified) -> None:
    for flaw in found.flaws:
        settings.err().print(Text(printable(str(flaw)), style="bold red"))
    if found.unfinished:
        told = "The last line was never finished: a process died while it wrote. The next entry replaces it."
        settings.err().print(Text(told, style="yellow"))
    counted = f"{found.entries} entries in {found.segments} segment{'s' * (found.segments != 1)}"
    if found.flaws:
        hint = "Compare it with an export from before, and find out who could write to the state directory."
        raise Failure(f"the audit book is not as it was written ({counted})", "", hint, INVALID)
    settings.out().print(Text(f"{counted} are as they were written", style="green"))
    for kept in found.kept:
        settings.out().print(Text(_told_of(kept)))
    settings.out().print(Text(f"head {found.head}"))


def _told_of(kept: KeptHead) -> str:
    """Say how far a book has gone on since a head of it was kept."""
    grown = f"{kept.since} entr{'y' if kept.since == 1 else 'ies'} since" if kept.since else "nothing since"
    if kept.trimmed:
        return f"kept head {kept.number}: {grown}; that entry was removed with old segments, and not compared"
    return f"kept head {kept.number}: it is in the book as it was, {grown}"


@command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file, which must be new.")
def export(settings: Settings, out: Path | None) -> None:
    """Write the whole book as JSON Lines, for keeping elsewhere; `airs audit verify FILE` verifies it there."""
    _bring_up_to_date(settings)
    if out is None:
        for _, data in _book(settings):
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        with out.open("xb") as file:
            for _, data in _book(settings):
                file.write(data)
    except FileExistsError:
        raise Failure(f"{out} exists already", suggestion="Name another file.", exit_code=USAGE) from None
    except OSError as problem:
        raise Failure(f"cannot write {out}", str(problem.strerror), exit_code=FAILED) from None


@command()
def head(settings: Settings) -> None:
    """Print the head to keep elsewhere: with it, `airs audit verify --head` finds a cut at the end."""
    _bring_up_to_date(settings)
    found = verify(_book(settings)).head
    if settings.is_json:
        settings.print_json(found)
    else:
        settings.out().print(Text(str(found)))


def _bring_up_to_date(settings: Settings) -> None:
    """Let an agent that runs write what waits for the book."""
    client = settings.connection()
    if client.answers():
        client.audit()


def _book(settings: Settings) -> Iterator[tuple[str, bytes]]:
    if not segments_in(settings.state_dir / FOLDER):
        raise Failure(f"there is no audit book in {settings.state_dir}", "The first agent of a state begins one.")
    try:
        yield from read_book(settings.state_dir)
    except OSError as problem:
        raise Failure(f"cannot read {problem.filename}", str(problem.strerror), exit_code=FAILED) from None


def _exported(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        yield file.name, file.read_bytes()
    except OSError as problem:
        raise Failure(f"cannot read {file}", str(problem.strerror), exit_code=USAGE) from None


for each in (show, verify_, export, head):
    audit.add_command(each)

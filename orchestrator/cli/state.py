"""`airs state export|show|key`: what an agent runs, in a file that any machine may plan against."""

import sys
from pathlib import Path

import click
from msgspec.structs import replace

from orchestrator import __version__
from orchestrator.cli.context import Settings, command, global_options, silent_holder
from orchestrator.cli.judging import judging_for
from orchestrator.cli.keypairs import public_key
from orchestrator.cli.knowing import KnownHere
from orchestrator.cli.show import table
from orchestrator.cli.terminal import Text
from orchestrator.cli.times import clock
from orchestrator.contract.codes import INVALID, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.exported.document import ExportedState, SourceFacts, export
from orchestrator.exported.signed import STATE_MAX_BYTES, StateRefused, opened_state, sealed_state, signing_seed
from orchestrator.model.base import Value
from orchestrator.model.commit import short
from orchestrator.model.snapshot import Snapshot
from orchestrator.observe.events import printable
from orchestrator.signing.keys import key_id, public_of, public_pem
from orchestrator.signing.trust import is_key_id
from orchestrator.time_of_day import wall_ms

COLUMNS = ("SOURCE", "FOLLOWED", "PATH", "COMMIT", "READ")

state_key_option = click.option(
    "--state-key", metavar="KEY", help="The key that it must be signed by: its file, or its id (ed25519:…)."
)


class StateKeyView(Value, frozen=True):
    """The key that an agent signs its exported states with: its id, and the public key as PEM."""

    key_id: str
    public_key: str


@click.group()
@global_options
def state() -> None:
    """Export what the agent runs, so that `airs plan --against` compares with it on any machine."""


@command("export")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file, instead of standard output.")
def export_(settings: Settings, out: Path | None) -> None:
    """Export all that a plan needs, signed: records, worlds, grants, sources and policies.

    Secrets, data of guests and messages are not in it; configuration is, as the manifests have it.
    """
    client = settings.connection()
    data = client.export() if client.answers() else _recorded(settings)
    if out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from orchestrator.store.files import write_whole

    try:
        write_whole(out, data)
    except OSError as problem:
        raise Failure(f"cannot write {out}", str(problem.strerror), exit_code=USAGE) from None
    made = opened_state(data)
    count = len(made.state.deployments)
    told = f"Exported {count} deployment{'s' * (count != 1)} at serial {made.state.serial} to {out}, signed by "
    settings.err().print(f"{told}{key_id(made.public_key)}.", style="dim")


@command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@state_key_option
def show(settings: Settings, file: Path, state_key: str | None) -> None:
    """Show what FILE, an exported state, holds and by whom it is signed."""
    found = read_state(file, state_key)
    if settings.is_json:
        settings.print_json(found)
        return
    rows = (
        ("lineage", found.state.lineage), ("serial", str(found.state.serial)), ("made", clock(found.made_ms)),
        ("by", f"airs {found.airs}"), ("signed by", key_id(found.public_key)),
        ("deployments", str(len(found.state.deployments))), ("policies", str(len(found.rules.policies))),
        ("worlds", f"{len(found.worlds)}" + f", {found.worlds_left_out} left out" * (found.worlds_left_out > 0)),
    )  # fmt: skip
    for name, value in rows:
        settings.out().print(Text.assemble((f"{name:<12}", "dim"), printable(value)))
    if found.sources:
        table(settings.out(), COLUMNS, [
            (one.name, one.follow.value, one.path or ".", short(one.revision), clock(one.read_ms))
            for one in found.sources
        ])  # fmt: skip


@command()
def key(settings: Settings) -> None:
    """Print the public key that this agent signs its exported states with, for `--state-key`."""
    from orchestrator.store.state_dir import read_key

    if not (settings.state_dir / "key").exists():
        raise settings.no_agent("A state directory has a key once something was applied with it.")
    public = public_of(signing_seed(read_key(settings.state_dir)))
    view = StateKeyView(key_id=key_id(public), public_key=public_pem(public).decode())
    if settings.is_json:
        settings.print_json(view)
    else:
        settings.err().print(Text(view.key_id, style="dim"))
        click.echo(view.public_key, nl=False)


def read_state(file: Path, state_key: str | None = None) -> ExportedState:
    """Read the file of an exported state, which may be anybody's.

    Raises:
        Failure: it cannot be read, or is none.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(STATE_MAX_BYTES + 1)
    except OSError as problem:
        raise Failure(f"cannot read {file}", str(problem.strerror), exit_code=USAGE) from None
    return opened_as(data, str(file), state_key)


def opened_as(data: bytes, place: str, state_key: str | None = None) -> ExportedState:
    """Read the bytes of an exported state that came from `place`.

    Raises:
        Failure: they are none, or not signed by that key.
    """
    wanted = "" if state_key is None else key_id_of(state_key)
    try:
        return opened_state(data, wanted)
    except StateRefused as refused:
        raise Failure(f"{place}: {refused.summary}", refused.detail, refused.suggestion, INVALID) from None


def key_id_of(named: str) -> str:
    """Return the id of a key that is named by its id, or by its file."""
    return named if is_key_id(named) else key_id(public_key(Path(named)))


def _recorded(settings: Settings) -> bytes:
    """Export what is recorded, where no agent runs that may be writing it.

    Raises:
        Failure: nothing is recorded, or an agent holds the state that does not answer.
    """
    from orchestrator.store.state_dir import read_all_recorded, read_key

    silent = silent_holder(settings.state_dir)
    if silent is not None:
        raise silent
    recorded = read_all_recorded(settings.state_dir)
    if not recorded.observed.lineage:
        raise settings.no_agent()
    nothing = Snapshot(source="", root="", root_reason="", folder="", manifests=(), files={})
    known = KnownHere(settings, nothing, [seen.record.key for seen in recorded.observed.deployments]).known
    facts = SourceFacts(recorded.sources, recorded.notes, recorded.desired)
    made = export(recorded.observed, facts, judging_for(settings), known)
    seed = signing_seed(read_key(settings.state_dir))
    try:
        return sealed_state(replace(made, made_ms=wall_ms(), airs=__version__), seed)
    except StateRefused as refused:
        raise Failure(refused.summary, refused.detail, refused.suggestion) from None


for _each in (export_, show, key):
    state.add_command(_each)

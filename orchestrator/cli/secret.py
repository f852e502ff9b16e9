"""`airs secret list|seal|reseal|public-key|rotate-key`: secrets, without ever printing one."""

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.names import SECRET_NAME
from orchestrator.cli.show import table
from orchestrator.cli.terminal import Text
from orchestrator.contract.codes import FAILED, OK, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.model.audit import AuditKind
from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.secret import SECRET_MAX_BYTES, SealedSecret, Secret, SecretName, SecretView

if TYPE_CHECKING:
    from orchestrator.secrets.keys import SealingKeys

COLUMNS = ("SECRET", "FROM", "FINGERPRINT", "USED BY", "PROBLEM")
FINGERPRINT_SHOWN = 8
MANIFEST_MAX_BYTES = 4 << 20


class SealingKeysView(Value, frozen=True):
    """The document of `secret rotate-key`: the public key to seal for, and the keys that open by their ids."""

    public_key: str
    keys: tuple[str, ...]


@click.group()
@global_options
def secret() -> None:
    """List secrets, seal them so that they can be committed, and rotate the key that opens them."""


@command("list")
def list_(settings: Settings) -> int:
    """List the secrets that deployments name, and those that there is a value of; values are never shown."""
    views = _views(settings)
    if settings.is_json:
        settings.print_json(views)
    elif not views:
        settings.out().print("No secrets.")
    else:
        table(settings.out(), COLUMNS, [_row(view) for view in views])
        for view in views:
            if view.problem and view.hint:
                settings.err().print(Text(f"    → {view.namespace}/{view.name}: {view.hint}", style="cyan"))
    return FAILED if any(view.problem and view.used_by for view in views) else OK


def _views(settings: Settings) -> list[SecretView]:
    client = settings.connection()
    if client.answers():
        return client.secrets()
    from orchestrator.cli.secrets_here import secrets_here
    from orchestrator.secrets.listing import listed
    from orchestrator.store.state_dir import read_all_recorded

    return listed(secrets_here(settings), read_all_recorded(settings.state_dir).desired.values())


def _row(view: SecretView) -> tuple[str, ...]:
    origin = f"{view.origin}: {view.where}" if view.origin else ""
    fingerprint = view.fingerprint[:FINGERPRINT_SHOWN]
    return f"{view.namespace}/{view.name}", origin, fingerprint, ", ".join(view.used_by), view.problem


@command()
@click.argument("name", type=SECRET_NAME)
@click.option("--for", "public", type=click.Path(path_type=Path, dir_okay=False), help="The agent's public key.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="The file that holds the value.")
def seal(settings: Settings, name: DeploymentKey, public: Path | None, file: Path | None) -> None:
    """Print a value as a SealedSecret, which only the agent can open and which may be committed.

    The value is the file's, or the standard input's; a terminal is asked for it. It is never an argument, which other
    users could see. Without --for, it is sealed for the agent of this state directory.
    """
    from orchestrator.secrets.sealing import seal as sealed_for

    value = _value(file)
    key = _public(settings, public)
    _print_sealed(settings, sealed_for(key, SecretName(namespace=name.namespace, name=name.name), value))


def _value(file: Path | None) -> Secret:
    from orchestrator.secrets.folder import RefusedSecret, as_secret

    try:
        if file is not None:
            with file.open("rb") as opened:
                data = opened.read(SECRET_MAX_BYTES + 2)
        elif sys.stdin.isatty():
            data = str(click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)).encode()
        else:
            data = sys.stdin.buffer.read(SECRET_MAX_BYTES + 2)
    except OSError as problem:
        raise Failure(f"cannot read {file or 'the standard input'}", problem.strerror or "", exit_code=USAGE) from None
    value = as_secret(data)
    if isinstance(value, RefusedSecret):
        raise Failure(f"the value {value.why}", suggestion=f"{value.hint}.", exit_code=USAGE)
    return value


def _public(settings: Settings, file: Path | None) -> bytes:
    from orchestrator.secrets.sealing import SealingProblem, read_public

    if file is None:
        keys = _keys(settings)
        assert keys.public is not None
        return keys.public
    try:
        with file.open("rb") as opened:
            return read_public(opened.read(4096))
    except OSError as problem:
        raise Failure(f"cannot read {file}", problem.strerror or "", exit_code=USAGE) from None
    except SealingProblem as problem:
        raise Failure(f"{file}: {problem}", suggestion=f"{problem.hint}.", exit_code=USAGE) from None


def _keys(settings: Settings) -> "SealingKeys":
    """Return this state directory's keys, the first of which is made as needed."""
    from orchestrator.cli.reading import state_of
    from orchestrator.secrets.keys import have_keys
    from orchestrator.secrets.sealing import SealingProblem

    try:
        return have_keys(state_of(settings).path)
    except SealingProblem as problem:
        raise Failure("the keys for sealing cannot be used", str(problem), problem.hint) from None


def _print_sealed(settings: Settings, sealed: SealedSecret) -> None:
    document = {
        "apiVersion": "airs.dev/v1",
        "kind": "SealedSecret",
        "metadata": {"name": sealed.name, "namespace": sealed.namespace},
        "spec": {"key": sealed.key, "sealed": sealed.sealed},
    }
    if settings.is_json:
        settings.print_json(document)
        return
    lines = (
        "apiVersion: airs.dev/v1",
        "kind: SealedSecret",
        f"metadata: {{name: {sealed.name}, namespace: {sealed.namespace}}}",
        "spec:",
        f'  key: "{sealed.key}"',
        f"  sealed: {sealed.sealed}",
    )
    click.echo("\n".join(lines))


@command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--for", "public", type=click.Path(path_type=Path, dir_okay=False), help="Another agent's public key.")
def reseal(settings: Settings, files: tuple[Path, ...], public: Path | None) -> int:
    """Seal the SealedSecrets in FILES or folders anew, for the newest key; nothing else in them changes.

    The values stay the same, so nothing is rolled out. It needs the keys of this state directory, which open them.
    """
    keys, key = _keys(settings), _public(settings, public)
    failed = False
    for file in _manifests(files):
        failed |= _reseal_file(settings, file, keys.private, key)
    return FAILED if failed else OK


def _manifests(files: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for file in files:
        found += sorted((*file.rglob("*.yaml"), *file.rglob("*.yml"))) if file.is_dir() else [file]
    return [file for file in found if file.stat().st_size <= MANIFEST_MAX_BYTES]


def _reseal_file(settings: Settings, file: Path, keys: dict[str, bytes], public: bytes) -> bool:
    """Seal what one file holds anew; whether something could not be."""
    from orchestrator.secrets.resealing import reseal as resealed
    from orchestrator.store.files import write_whole

    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError:
        return False  # no manifest
    found = resealed(text, keys, public)
    if found.done:
        mode = stat.S_IMODE(file.stat().st_mode)
        write_whole(file, found.text.encode())
        os.chmod(file, mode)
        settings.err().print(f"{file}: sealed {', '.join(map(str, found.done))} anew")
    for name, why, line in found.refused:
        where = Text.assemble((f"{file}:{line}: ", "bold"), ("error: ", "bold red"))
        where.append(f"secret {name} {why}")
        settings.err().print(where)
    return bool(found.refused)


@command("public-key")
def public_key(settings: Settings) -> None:
    """Print the public key that values are sealed for; it seals, and cannot open."""
    from orchestrator.secrets.sealing import written_public

    public = _keys(settings).public
    assert public is not None
    click.echo(written_public(public), nl=False)


@command("rotate-key")
@click.option("--drop-old", is_flag=True, help="Make no key, and forget the older ones instead.")
def rotate_key(settings: Settings, drop_old: bool) -> None:
    """Make a new key to seal for; the older ones go on opening until they are dropped.

    Afterwards, `airs secret reseal` the manifests and apply them, then drop the older keys.
    """
    from orchestrator.secrets import keys as sealing
    from orchestrator.secrets.sealing import SealingProblem, written_public

    before = _keys(settings)
    try:
        if drop_old:
            _refuse_if_needed(settings, before.ids[0])
            _note_rotation(settings, AuditKind.KEYS_DROPPED, key=before.ids[0], dropped=" ".join(before.ids[1:]))
            after = sealing.drop_old(settings.state_dir)
        else:
            after = sealing.rotate(settings.state_dir)
            _note_rotation(settings, AuditKind.KEY_ROTATED, key=after.ids[0], before=before.ids[0])
    except SealingProblem as problem:
        raise Failure("the keys for sealing cannot be used", str(problem), problem.hint) from None
    assert after.public is not None
    if settings.is_json:
        settings.print_json(SealingKeysView(public_key=written_public(after.public).strip(), keys=after.ids))
        return
    click.echo(written_public(after.public), nl=False)
    newest, *older = after.ids
    told = f"{len(older)} older key{'s open' if len(older) > 1 else ' opens'} what was sealed before"
    settings.err().print(f"Sealing is for key {newest} now; {told}." if older else "No older key is left.")


def _note_rotation(settings: Settings, what: AuditKind, **facts: str) -> None:
    """Note it in the audit book, before keys are lost and once there is one more."""
    from orchestrator.cli.audited import note_down
    from orchestrator.store.state_dir import StateDir

    note_down(StateDir(settings.state_dir), what, "sealing", **facts)


def _refuse_if_needed(settings: Settings, newest: str) -> None:
    needed = [view for view in _views(settings) if view.origin == "sealed" and view.where != f"key {newest}"]
    if needed:
        names = ", ".join(f"{view.namespace}/{view.name} ({view.where})" for view in needed)
        hint = "`airs secret reseal` the manifests and apply them first."
        raise Failure("an older key is needed still", f"by {names}", hint)


for each in (list_, seal, reseal, public_key, rotate_key):
    secret.add_command(each)

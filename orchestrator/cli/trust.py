"""`airs trust`: the keys that this machine trusts to sign components."""

from collections.abc import Callable
from pathlib import Path

import click
from msgspec.structs import replace

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.keypairs import public_key
from orchestrator.cli.names import WORD
from orchestrator.cli.reading import state_of
from orchestrator.cli.recorded import recorded_instead
from orchestrator.cli.show import table
from orchestrator.cli.terminal import Text
from orchestrator.cli.times import clock
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure
from orchestrator.model.audit import AuditKind
from orchestrator.model.base import Value
from orchestrator.observe.events import printable
from orchestrator.signing.keys import key_id, public_pem
from orchestrator.signing.trust import Trust, TrustedKey, is_key_id, is_name, with_key, without_key
from orchestrator.store.layout import TRUST
from orchestrator.store.state_dir import read_recorded
from orchestrator.store.trust import TrustStore
from orchestrator.time_of_day import wall_ms

REASON_MAX = 200


class TrustView(Value, frozen=True):
    """A key that this machine knows. Times are wall-clock milliseconds; `revoked_at` is 0 while it is trusted.

    `public_key` is PEM, empty where only the id of a key was revoked.
    """

    key_id: str
    name: str
    state: str
    added_at: int
    revoked_at: int
    reason: str
    public_key: str


class ConcernedDeployment(Value, frozen=True):
    """A deployment under a signature that counts no longer; `message` is what its status says, policies included."""

    name: str
    phase: str
    message: str


class Revocation(Value, frozen=True):
    """A key that was revoked, and the deployments that run under signatures of it."""

    key: TrustView
    deployments: tuple[ConcernedDeployment, ...]


@click.group()
@global_options
def trust() -> None:
    """Say whose signatures this machine trusts.

    KEY is a name, an id, or the beginning of an id.
    """


@command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", type=WORD, help="The name to know it by, instead of the file's.")
def add(settings: Settings, file: Path, name: str | None) -> None:
    """Trust the key in FILE, a public key in PEM."""
    public = public_key(file)
    known_as = name or file.name.removesuffix(".pub").removesuffix(".pem")
    if not is_name(known_as):
        raise Failure(f"{known_as!a} is no name for a key", "Letters, digits and `._@+-`.", "Use --name.", USAGE)
    key = TrustedKey(key_id=key_id(public), name=known_as, public_key=public, added_ms=wall_ms())

    def added(before: Trust) -> Trust:
        other = next((each for each in before.keys if each.name == known_as and each.key_id != key.key_id), None)
        if other is not None:
            raise Failure(f"another key is known as {known_as}", other.key_id, "Use --name, or remove that first.")
        revoked = next((each for each in before.keys if each.key_id == key.key_id and each.is_revoked), None)
        if revoked is not None:
            why = f"It was revoked on {clock(revoked.revoked_ms)}{f': {revoked.reason}' if revoked.reason else '.'}"
            hint = f"Sign with another key; `airs trust remove {revoked.name}` forgets that it was revoked."
            raise Failure(f"{revoked.name} is trusted never again: {key.key_id}", why, hint)
        return with_key(before, key)

    _changed(settings, AuditKind.KEY_TRUSTED, key, added)
    _tell(settings, key, f"{known_as} is trusted on this machine: {key.key_id}")


@command()
@click.argument("key", type=WORD)
def remove(settings: Settings, key: str) -> None:
    """Forget KEY, which is then trusted no more than any other."""
    found = _one(settings, key)
    _changed(settings, AuditKind.KEY_FORGOTTEN, found, lambda before: without_key(before, found.key_id))
    _tell(settings, found, f"{found.name} is not known on this machine any more: {found.key_id}")


@command()
@click.argument("key", type=WORD)
@click.option("--reason", default="", help="Why, for everybody who asks later.")
def revoke(settings: Settings, key: str, reason: str) -> None:
    """Trust KEY never again, and say which deployments it signed.

    The whole id of a key that this machine never trusted can be revoked, too.
    """
    now_ms, before = wall_ms(), TrustStore(settings.state_dir / TRUST).read()
    found = before.find(key)
    if not found and is_key_id(key):
        found = (TrustedKey(key_id=key, name=key, public_key=b"", added_ms=now_ms),)
    revoked = replace(_only(key, found), revoked_ms=now_ms, reason=printable(reason)[:REASON_MAX])
    _changed(settings, AuditKind.KEY_REVOKED, revoked, lambda trust: with_key(trust, revoked))
    concerned = _concerned(settings, revoked.key_id)
    if settings.is_json:
        settings.print_json(Revocation(key=_view(revoked), deployments=concerned))
        return
    settings.out().print(Text(printable(f"{revoked.name} is revoked: {revoked.key_id}")))
    for one in concerned:
        told = one.message or "it goes on: no policy wants another signature"
        settings.out().print(Text(printable(f"  {one.name} runs with a signature of it: {told}")))
    if not concerned:
        settings.out().print("No deployment runs with a signature of it.")


@command("list")
def show(settings: Settings) -> None:
    """List the keys that this machine trusts, and those that it revoked."""
    keys = TrustStore(settings.state_dir / TRUST).read().keys
    if settings.is_json:
        settings.print_json(tuple(map(_view, keys)))
    elif not keys:
        settings.out().print("No key is trusted on this machine. `airs trust add FILE.pub` trusts one.")
    else:
        rows = ((k.name, _state(k), k.key_id, clock(k.added_ms), clock(k.revoked_ms), k.reason) for k in keys)
        table(settings.out(), ("NAME", "STATE", "KEY", "ADDED", "REVOKED", "REASON"), rows)


for each in (add, show, remove, revoke):
    trust.add_command(each)


def _state(key: TrustedKey) -> str:
    return "revoked" if key.is_revoked else "trusted"


def _view(key: TrustedKey) -> TrustView:
    return TrustView(
        key_id=key.key_id,
        name=key.name,
        state=_state(key),
        added_at=key.added_ms,
        revoked_at=key.revoked_ms,
        reason=key.reason,
        public_key=public_pem(key.public_key).decode() if key.public_key else "",
    )


def _tell(settings: Settings, key: TrustedKey, told: str) -> None:
    if settings.is_json:
        settings.print_json(_view(key))
    else:
        settings.out().print(Text(printable(told)))


def _one(settings: Settings, named: str) -> TrustedKey:
    return _only(named, TrustStore(settings.state_dir / TRUST).read().find(named))


def _only(named: str, found: tuple[TrustedKey, ...]) -> TrustedKey:
    """Return the one key that was found.

    Raises:
        Failure: there is none, or there are several.
    """
    if len(found) == 1:
        return found[0]
    if found:
        ids = "\n".join(key.key_id for key in found)
        raise Failure(f"{named} could be any of {len(found)} keys", ids, "Name more of its id.", USAGE)
    raise Failure(f"no key is known as {named}", suggestion="`airs trust list` shows them.", exit_code=USAGE)


def _changed(settings: Settings, what: AuditKind, key: TrustedKey, change: Callable[[Trust], Trust]) -> None:
    """Change what is trusted, in the audit book first, and let the agent look at everything again.

    Raises:
        Failure: that is more than a machine may know.
    """
    from orchestrator.cli.audited import note_down  # with what serves HTTP, which `list` has no use for

    state = state_of(settings)
    facts = {"key": key.key_id} | ({"reason": key.reason} if key.reason else {})
    change(TrustStore(state.path / TRUST).read())  # a change that is refused is not noted
    note_down(state, what, key.name, **facts)
    try:
        TrustStore(state.path / TRUST).change(change)
    except ValueError as problem:
        raise Failure("the key was not noted down", str(problem)) from None
    client = settings.connection()
    if client.answers():
        client.look_again()


def _concerned(settings: Settings, key: str) -> tuple[ConcernedDeployment, ...]:
    """Name the deployments that serve under a signature of a key."""
    client = settings.connection()
    if client.answers():
        views = client.deployments()
    elif not read_recorded(settings.state_dir).deployments:
        return ()
    else:
        views = recorded_instead(settings).deployments
    return tuple(
        ConcernedDeployment(name=f"{view.namespace}/{view.name}", phase=view.phase, message=view.message)
        for view in views
        if any(signer.key_id == key for signer in view.signers)
    )

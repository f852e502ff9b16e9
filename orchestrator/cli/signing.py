"""`airs keygen`, `airs sign` and `airs verify`: key pairs, and signatures beside a component."""

import secrets
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import click

from orchestrator.cli.context import Settings, command, plain_http_option
from orchestrator.cli.durations import EXPIRY
from orchestrator.cli.judging import judging_for
from orchestrator.cli.keypairs import ask_passphrase, keys_folder, signing_key
from orchestrator.cli.names import WORD
from orchestrator.cli.packages import LocalPackage, local_package, stored_package
from orchestrator.cli.signers import signer_parts
from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.times import clock
from orchestrator.contract.codes import OK, REFUSED, USAGE
from orchestrator.contract.documents import SIGNER_STATES, SignerView
from orchestrator.contract.problem import Failure
from orchestrator.model.base import Value
from orchestrator.model.policy import NO_POLICY, PolicySet
from orchestrator.model.signed import Signer
from orchestrator.observe.events import printable
from orchestrator.policy.judge import naming
from orchestrator.signing.dsse import ENVELOPES_MAX, lines_of, written
from orchestrator.signing.keys import key_id, private_pem, public_of, public_pem
from orchestrator.signing.statement import signed
from orchestrator.signing.trust import is_name
from orchestrator.signing.verify import BrokenSignature, Signatures, checked_line, signatures
from orchestrator.store.files import have_private_folder, write_once, write_whole
from orchestrator.store.layout import TRUST
from orchestrator.store.trust import TrustStore
from orchestrator.time_of_day import wall_ms

LABEL = len("signed by")


class KeyPair(Value, frozen=True):
    """A new key pair: its id, the file of its private key, that of the public one, and the public key as PEM."""

    key_id: str
    name: str
    private_file: str
    public_file: str
    public_key: str


class SignedPackage(Value, frozen=True):
    """A package that was signed, the file that holds its signatures, and what was left out of that file."""

    name: str
    version: str
    artifact: str
    manifest: str
    file: str
    signers: tuple[SignerView, ...]
    removed: tuple[BrokenSignature, ...]


class Worth(Enum):
    """The worth of the signatures on a package on this machine; only `trusted` is a success."""

    TRUSTED = "trusted"
    NOT_TRUSTED = "not-trusted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    BROKEN = "broken"
    UNSIGNED = "unsigned"


TOLD = {
    Worth.TRUSTED: "Trusted: signed by a key that is trusted here.",
    Worth.NOT_TRUSTED: "Not trusted: signed, but by no key that this machine or a policy trusts.",
    Worth.EXPIRED: "Expired: the signatures of all trusted keys are over.",
    Worth.REVOKED: "Revoked: signed only with keys that this machine trusts no longer.",
    Worth.BROKEN: "Broken: there are signatures, and not one of them is good for what lies here.",
    Worth.UNSIGNED: "Unsigned: there are no signatures beside it.",
}


class VerifiedPackage(Value, frozen=True):
    """The findings of `verify`: who signed a package, until when, and what that comes to here."""

    name: str
    version: str
    artifact: str
    manifest: str
    verdict: Worth
    signers: tuple[SignerView, ...]
    broken: tuple[BrokenSignature, ...]


@command()
@click.option("--name", type=WORD, required=True, help="The key's name, such as acme-release.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder, instead of your own.")
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase [env: AIRS_KEY_PASSPHRASE] to open it with.")
def keygen(settings: Settings, name: str, out: Path | None, passphrase: bool) -> None:
    """Make a key pair to sign components with.

    The private key is yours alone, the public one for everybody who runs what you sign.
    """
    if not is_name(name):
        raise Failure(f"{name!a} is no name for a key", "Letters, digits and `._@+-`, at most 63.", exit_code=USAGE)
    folder = out or keys_folder()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    taken = next((file for file in (private, public) if file.exists()), None)
    if taken is not None:
        raise Failure(f"{taken} exists already", "A key that signed something is never replaced.", "Name another.")
    secret = ask_passphrase("Passphrase", twice=True) if passphrase else b""
    seed = secrets.token_bytes(32)
    pem = public_pem(public_of(seed))
    have_private_folder(folder)
    write_once(private, private_pem(seed, secret))
    write_once(public, pem)
    public.chmod(0o644)
    made = KeyPair(
        key_id=key_id(public_of(seed)), name=name, private_file=str(private), public_file=str(public),
        public_key=pem.decode(),
    )  # fmt: skip
    _tell_pair(settings, made)


def _tell_pair(settings: Settings, made: KeyPair) -> None:
    if settings.is_json:
        settings.print_json(made)
        return
    out = settings.out()
    for label, told in (("key", made.key_id), ("private", made.private_file), ("public", made.public_file)):
        out.print(Text.assemble((f"{label:<{LABEL}} ", "bold"), printable(told)))
    out.print(Text(made.public_key.rstrip()))
    settings.err().print(f"Next: `airs trust add {made.public_file}` where its components run.", style="dim")


@command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--key", "keys", required=True, multiple=True, help="A key's name or file; repeat it for several.")
@click.option("--expires", type=EXPIRY, help="When the signature ends: in 90d, 12h, or on 2027-01-31.")
def sign(settings: Settings, folder: Path, keys: Sequence[str], expires: int | None) -> None:
    """Sign the component in FOLDER: its artifact, and all of its Component.toml.

    The signatures are written beside it, to `Component.toml.dsse`. Those of other keys stay while they are good; those
    on what lay there before are removed.
    """
    package, now_ms = local_package(folder), wall_ms()
    if expires is not None and expires <= now_ms:
        raise Failure("the signature would have ended already", f"--expires is {clock(expires)}.", exit_code=USAGE)
    seeds = [signing_key(named) for named in keys]
    mine = {key_id(public_of(seed)): written(signed(package.subject, seed, now_ms, expires or 0)) for seed in seeds}
    kept, removed = _others(package, mine)
    lines = [*kept, *mine.values()]
    if len(lines) > ENVELOPES_MAX:
        raise Failure(f"{package.file} would have more than {ENVELOPES_MAX} signatures", "Remove lines of it.")
    data = b"".join(line + b"\n" for line in lines)
    write_whole(Path(package.file), data)
    Path(package.file).chmod(0o644)
    _tell_signed(settings, package, signatures(data, package.subject), removed)


def _others(package: LocalPackage, mine: dict[str, bytes]) -> tuple[list[bytes], tuple[BrokenSignature, ...]]:
    """Return the good signatures of other keys, and what was wrong with those that go."""
    kept, removed = [], []
    for number, line in lines_of(package.signatures or b""):
        checked = checked_line(number, line, package.subject)
        if isinstance(checked, BrokenSignature):
            if checked.key_id not in mine:
                removed.append(checked)
        elif not {signer.key_id for signer in checked} <= mine.keys():
            kept.append(line)
    return kept, tuple(removed)


def _tell_signed(
    settings: Settings, package: LocalPackage, found: Signatures, removed: tuple[BrokenSignature, ...]
) -> None:
    try:
        signers = _views(settings, found.signers, package.subject.name)
    except Failure as unusable:  # policies say who trusts it here, which is no reason not to have signed it
        settings.err().print(Text(printable(f"warning: {unusable.summary}: {unusable.detail}"), style="yellow"))
        signers = _views(settings, found.signers, package.subject.name, NO_POLICY)
    made = SignedPackage(**package.subject._asdict(), file=package.file, signers=signers, removed=removed)
    if settings.is_json:
        settings.print_json(made)
        return
    _show_package(settings.out(), package, signers)
    settings.out().print(Text.assemble((f"{'written':<{LABEL}} ", "bold"), printable(package.file)))
    for one in removed:
        told = f"removed a signature{f' of {one.key_id}' * bool(one.key_id)}: {one.why}"
        settings.err().print(Text(printable(told), style="yellow"))


@command()
@click.argument("component", type=WORD)
@plain_http_option
def verify(settings: Settings, component: str) -> int:
    """Say who signed a COMPONENT, until when, and whether they are trusted.

    COMPONENT is a folder with a Component.toml, that file, or a reference: oci://HOST/NAME:TAG,
    https://HOST/FILE.tar.gz#SHA256, or REPOSITORY#ref:path, which is fetched. Exits 0 where a key that is trusted
    signed it, else 77.
    """
    is_here = Path(component).exists() or "://" not in component
    package = local_package(Path(component)) if is_here else _fetched(settings, component)
    found = package.checked()
    signers = _views(settings, found.signers, package.subject.name)
    verdict = verdict_of(signers, is_broken=bool(found.broken))
    seen = VerifiedPackage(**package.subject._asdict(), verdict=verdict, signers=signers, broken=found.broken)
    if settings.is_json:
        settings.print_json(seen)
    else:
        _show_verified(settings, package, seen)
    return OK if verdict is Worth.TRUSTED else REFUSED


def _fetched(settings: Settings, reference: str) -> LocalPackage:
    """Fetch a component into the component store, which forgets it in time.

    Raises:
        Failure: it cannot be fetched, or has no Component.toml.
    """
    from orchestrator.cli.stored import fetched_package  # with what fetches

    stored = fetched_package(settings, reference)
    package = stored_package(stored, reference)
    if package is None:
        why = "A signature is on a Component.toml and its artifact; only its artifact was published."
        raise Failure(f"{reference} has no Component.toml", why, "Pin its digest instead.", REFUSED)
    return package


def verdict_of(signers: Sequence[SignerView], *, is_broken: bool) -> Worth:
    """Say what signatures come to: the best of their states."""
    states = {signer.state for signer in signers}
    best = next((state for state in SIGNER_STATES if state in states), None)
    return Worth(best) if best else Worth.BROKEN if is_broken else Worth.UNSIGNED


def _views(
    settings: Settings, signers: Sequence[Signer], component: str, rules: PolicySet | None = None
) -> tuple[SignerView, ...]:
    trust, now_ms = TrustStore(settings.state_dir / TRUST).read(), wall_ms()
    if rules is None:
        rules = judging_for(settings).rules if signers else NO_POLICY
    known = trust.recognised(signers)
    return tuple(SignerView.of(signer, now_ms, naming(signer, component, rules)) for signer in known)


def _show_package(console: Console, package: LocalPackage, signers: Sequence[SignerView]) -> None:
    subject = package.subject
    for label, told in (
        ("component", f"{subject.name} {subject.version}"),
        ("artifact", f"{subject.artifact}  {package.size_bytes} bytes"),
        ("manifest", subject.manifest),
    ):
        console.print(Text.assemble((f"{label:<{LABEL}} ", "bold"), printable(told)))
    for signer in signers:
        console.print(Text.assemble((f"{'signed by':<{LABEL}} ", "bold"), *signer_parts(signer)))


def _show_verified(settings: Settings, package: LocalPackage, seen: VerifiedPackage) -> None:
    _show_package(settings.out(), package, seen.signers)
    for one in seen.broken:
        where, whose = f"{package.file}:{one.line}: ", f" (key {one.key_id})" * bool(one.key_id)
        told = Text.assemble((where, "bold"), ("signature broken: ", "bold red"), printable(f"{one.why}{whose}"))
        settings.err().print(told)
    style = "green" if seen.verdict is Worth.TRUSTED else "bold red"
    settings.out().print(Text(TOLD[seen.verdict], style=style))
    if seen.verdict is Worth.NOT_TRUSTED:
        settings.err().print("`airs trust add FILE.pub` trusts a key on this machine.", style="dim")

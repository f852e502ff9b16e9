"""`airs component install|list|remove|gc`: the component store, which commands and the agent share as files."""

from collections.abc import Iterator, Sequence

import click
from msgspec.structs import replace

from orchestrator.cli.context import Settings, command, plain_http_option
from orchestrator.cli.fetching import FetchProgress, fetcher_of, settings_of
from orchestrator.cli.packages import signers_of, stored_package
from orchestrator.cli.reading import observed_state, state_of
from orchestrator.cli.show import table
from orchestrator.cli.signers import signer_parts
from orchestrator.cli.terminal import Text
from orchestrator.contract.codes import FAILED, REFUSED, USAGE
from orchestrator.contract.documents import CollectedView, SignerView
from orchestrator.contract.problem import Failure
from orchestrator.fetch.limits import FetchFailed
from orchestrator.fetch.parallel import all_at_once
from orchestrator.fetch.reference import remote_of
from orchestrator.manifest.component_source import BadReferenceError
from orchestrator.model.base import Value
from orchestrator.model.component_source import RemoteComponent
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState
from orchestrator.model.package import Package, PackageReference
from orchestrator.model.spec import Deployment
from orchestrator.observe.events import printable
from orchestrator.signing.verify import Signatures
from orchestrator.store.packages import Packages, StoredPackage
from orchestrator.time_of_day import wall_ms

DIGITS = 12
KIB, MIB = 1 << 10, 1 << 20


class StoredSource(Value, frozen=True):
    """A reference to a component in the store, the commit or digest that it stood for, and when that was fetched."""

    reference: str
    resolved: str
    fetched_at: int
    installed: bool
    failure: str


class StoredComponent(Value, frozen=True):
    """A component in the store: `digest` is that of its artifact, `used_by` the deployments that run or want it."""

    name: str
    version: str
    digest: str
    package: str
    size: int
    source: tuple[StoredSource, ...]
    signers: tuple[SignerView, ...]
    used_by: tuple[str, ...]


@command()
@click.argument("references", nargs=-1, required=True)
@plain_http_option
def install(settings: Settings, references: Sequence[str]) -> None:
    """Fetch components into the store, where they stay until they are removed.

    A reference is oci://HOST/NAME:TAG, https://HOST/FILE.tar.gz#SHA256, or REPOSITORY#ref:path.
    """
    remotes = [wanted(reference) for reference in references]
    state_of(settings)  # whose folder it is
    with FetchProgress(settings.err()) as progress:
        fetcher = fetcher_of(settings, progress)
        at_once = settings_of(settings).at_once
        fetched = all_at_once(lambda remote: fetcher.look(remote, wall_ms(), keep=True), remotes, at_once)
    failures = [one for one in fetched if isinstance(one, FetchFailed)]
    for raised in fetched:
        if isinstance(raised, BaseException) and not isinstance(raised, FetchFailed):
            raise raised
    notes, broken = _with_good_signatures(
        settings, fetcher.packages, [one for one in fetched if isinstance(one, PackageReference)]
    )
    if settings.is_json:
        settings.print_json(_described(settings, {note.package for note in notes}))
    else:
        for note in notes:
            settings.out().print(Text(printable(f"Installed {_named(fetcher.packages, note)}")))
    if failures:
        raise refused(failures)
    if broken:
        raise _not_as_signed(broken)


def _with_good_signatures(
    settings: Settings, packages: Packages, notes: Sequence[PackageReference]
) -> tuple[list[PackageReference], dict[str, str]]:
    """Return the components that are what was signed, or are not signed, and by reference why the others are not.

    Those are not installed, and leave the store in time. A bad signature beside a good one is told.
    """
    good, broken = [], {}
    for note in notes:
        package = stored_package(packages.read(note.package), note.reference)
        found = package.checked() if package is not None else Signatures()
        told = "; ".join(f"signature broken: {one.why}" for one in found.broken)
        if told and not found.signers:
            broken[note.reference] = told
            packages.note(replace(note, is_installed=False))
            continue
        if told:
            settings.err().print(Text(printable(f"{note.reference}: {told}"), style="yellow"))
        good.append(note)
    return good, broken


def _not_as_signed(broken: dict[str, str]) -> Failure:
    lines = "\n".join(f"{reference}: {why}" for reference, why in broken.items())
    what = "1 component is" if len(broken) == 1 else f"{len(broken)} components are"
    return Failure(f"{what} not what was signed, and not installed", lines, "Ask its author.", REFUSED)


def fetched_package(settings: Settings, reference: str) -> StoredPackage:
    """Fetch a component, without installing it.

    Raises:
        Failure: it cannot be.
    """
    remote = wanted(reference)
    state_of(settings)  # whose folder it is
    try:
        with FetchProgress(settings.err()) as progress:
            fetcher = fetcher_of(settings, progress)
            return fetcher.packages.read(fetcher.look(remote, wall_ms()).package)
    except FetchFailed as failed:
        raise refused([failed]) from None


def wanted(reference: str) -> RemoteComponent:
    """Read a reference that was typed.

    Raises:
        Failure: it is none.
    """
    try:
        return remote_of(reference)
    except BadReferenceError as error:
        hint = "Write oci://HOST/NAME:TAG, https://HOST/FILE.tar.gz#SHA256, or REPOSITORY#ref:path."
        raise Failure(f"{reference} is no reference to a component", str(error), hint, USAGE) from None


def refused(failures: Sequence[FetchFailed]) -> Failure:
    """Say what could not be fetched."""
    first = failures[0]
    if len(failures) == 1:
        return Failure(first.summary, first.detail, first.suggestion, FAILED)
    lines = "\n".join(failed.sentence for failed in failures)
    return Failure(f"{len(failures)} components were not fetched", lines, exit_code=FAILED)


def _named(packages: Packages, note: PackageReference) -> str:
    package = packages.read(note.package).package
    name = f"{package.name} {package.version}".strip() or "a component without a Component.toml"
    return f"{name}  {short(package.artifact)}  from {note.reference} ({note.origin.short})"


def short(digest: str) -> str:
    """Cut a digest to what tells it apart for people."""
    return digest[: len("sha256:") + DIGITS]


@command(name="list")
def list_(settings: Settings) -> None:
    """List what is in the store: name, version, digest, size, where from, who signed it, which deployments use it."""
    found = _described(settings)
    if settings.is_json:
        settings.print_json(found)
        return
    if not found:
        settings.out().print("The component store is empty.")
        return
    rows = [tuple(_cells(one)) for one in found]
    table(settings.out(), ("NAME", "VERSION", "DIGEST", "SIZE", "FROM", "SIGNED BY", "USED BY"), rows)


def _cells(one: StoredComponent) -> Iterator[str]:
    yield one.name or "-"
    yield one.version or "-"
    yield short(one.digest)
    yield f"{one.size / MIB:.1f} MiB" if one.size >= MIB else f"{one.size / KIB:.1f} KiB"
    yield ", ".join(source.reference for source in one.source) or "-"
    yield (
        ", ".join("".join(p if isinstance(p, str) else p[0] for p in signer_parts(s)) for s in one.signers) or "nobody"
    )
    yield ", ".join(one.used_by) or "-"


def _signer(signer: SignerView) -> str:
    return "".join(part if isinstance(part, str) else part[0] for part in signer_parts(signer))


def packages_of(settings: Settings) -> Packages:
    """Return the component store of the state directory, which need not exist."""
    from orchestrator.store.artifacts import Artifacts

    return Packages(settings.state_dir, Artifacts(settings.state_dir / "artifacts" / "sha256"))


def _described(settings: Settings, only: set[str] | None = None) -> list[StoredComponent]:
    packages, now_ms = packages_of(settings), wall_ms()
    notes, users = packages.references(), users_of(observed_state(settings))
    wanted = [package for package in packages.all() if only is None or package.digest in only]
    return [_one(settings, packages, package, notes, users.get(package.artifact, []), now_ms) for package in wanted]


def _one(
    settings: Settings, packages: Packages, package: Package, notes: Sequence[PackageReference],
    users: Sequence[DeploymentKey], now_ms: int,
) -> StoredComponent:  # fmt: skip
    signers = signers_of(settings, packages.read(package.digest))
    return StoredComponent(
        name=package.name, version=package.version, digest=package.artifact, package=package.digest,
        size=package.size_bytes, source=tuple(_source(note) for note in notes if note.package == package.digest),
        signers=tuple(SignerView.of(one, now_ms) for one in signers), used_by=tuple(map(str, users)),
    )  # fmt: skip


def _source(note: PackageReference) -> StoredSource:
    return StoredSource(
        reference=note.reference, resolved=note.resolved, fetched_at=note.fetched_ms, installed=note.is_installed,
        failure=note.failure,
    )  # fmt: skip


def users_of(observed: ObservedState) -> dict[str, list[DeploymentKey]]:
    """Return which deployments run or want each artifact, sorted."""
    found: dict[str, set[DeploymentKey]] = {}
    for seen in observed.deployments:
        record = seen.record
        rollout: tuple[Deployment | None, ...] = (record.rollout.target, record.rollout.old) if record.rollout else ()
        for deployment in (record.wanted, record.stable, *rollout):
            if deployment is not None:
                found.setdefault(deployment.revision.artifact, set()).add(record.key)
    return {artifact: sorted(keys) for artifact, keys in found.items()}


@command()
@click.argument("components", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Remove one that deployments use, too; their artifacts stay.")
def remove(settings: Settings, components: Sequence[str], force: bool) -> None:
    """Remove components from the store, by NAME, NAME@VERSION or reference."""
    packages = packages_of(settings)
    found = {one.digest: one for component in components for one in matching(packages, component)}
    users = users_of(observed_state(settings))
    used = {str(key) for package in found.values() for key in users.get(package.artifact, ())}
    if used and not force:
        hint = "--force forgets where it came from; what runs keeps its artifact."
        raise Failure(f"used by {', '.join(sorted(used))}", "its signatures are checked at each start", hint)
    for package in found.values():
        packages.remove(package.digest)
        settings.err().print(
            Text(printable(f"Removed {package.name or short(package.artifact)} {package.version}".rstrip()))
        )


def matching(packages: Packages, named: str) -> list[Package]:
    """Return the packages that are meant by a name, NAME@VERSION, or a reference.

    Raises:
        Failure: there is none.
    """
    note = packages.reference(named)
    name, _, version = named.partition("@")
    found = [
        package
        for package in packages.all()
        if (note is not None and package.digest == note.package)
        or (package.name == name and version in ("", package.version))
    ]
    if not found:
        hint = "`airs component list` shows what is there."
        raise Failure(f"no component {named} in the store", suggestion=hint)
    return found


@command()
@click.option("--all", "all_", is_flag=True, help="Remove what nothing needs, however short a time ago it was fetched.")
def gc(settings: Settings, all_: bool) -> None:
    """Remove components that nothing needs any more; the agent does so by itself.

    A component stays while it is installed, while a deployment or its history names its artifact, and for
    `store.retain` after it was used last.
    """
    retain_ms = 0 if all_ else settings.configured.store.retain
    client = settings.connection()
    view = client.collect_components(retain_ms) if client.answers() else _collected_here(settings, retain_ms)
    if settings.is_json:
        settings.print_json(view)
        return
    for name in view.components:
        settings.out().print(Text(printable(f"Removed {name}")))
    settings.out().print(f"{len(view.components)} components removed, {view.kept} kept")


def _collected_here(settings: Settings, retain_ms: int) -> CollectedView:
    """Collect without an agent; none may start meanwhile."""
    import os
    from datetime import UTC, datetime

    from orchestrator.store.lock import Owner
    from orchestrator.store.store import Store

    state = state_of(settings)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with state.lock(Owner(pid=os.getpid(), started_at=started, command="airs component gc", socket="")):
        store = Store.open(state)
        try:
            packages = Packages(state.path, state.artifacts)
            collected = packages.collect(store.artifacts, (wall_ms() - retain_ms) / 1000)
        finally:
            store.close()
    return CollectedView.of(collected.packages, len(packages.all()))

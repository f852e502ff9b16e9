"""`airs push`: a component's folder → a registry."""

from pathlib import Path

import click

from orchestrator.cli.context import Settings, command, plain_http_option
from orchestrator.cli.fetching import http_of, settings_of
from orchestrator.cli.packages import local_package, read_bytes
from orchestrator.cli.stored import wanted
from orchestrator.cli.terminal import Text
from orchestrator.contract.codes import FAILED, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.fetch.limits import FetchedFiles, FetchFailed
from orchestrator.fetch.oci.push import attach_signatures, documents_of, push_documents, standing
from orchestrator.model.base import Value
from orchestrator.model.component_source import OciComponent, RemoteComponent
from orchestrator.observe.events import printable
from orchestrator.signing.statement import Subject


class PushedComponent(Value, frozen=True):
    """A component that was pushed: what it is called there, and the digest of its manifest."""

    name: str
    version: str
    reference: str
    digest: str
    artifact: str
    signed: bool


@command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("reference")
@click.option("--force", is_flag=True, help="Move a tag that stands for another component.")
@click.option("--attach", is_flag=True, help="Attach the signatures in FOLDER to the component that is there already.")
@plain_http_option
def push(settings: Settings, folder: Path, reference: str, force: bool, attach: bool) -> None:
    """Push the component in FOLDER to a registry: oci://HOST/NAME:TAG.

    Its Component.toml and its signatures go with it. `wkg` and others can pull the artifact. With --attach, signatures
    alone are pushed: the digest of the component stays what it is.
    """
    remote = wanted(reference)
    if attach:
        _attach(settings, folder, remote)
        return
    if not isinstance(remote, OciComponent) or remote.is_fixed:
        raise Failure(f"{reference} is no tag", "a component is pushed to oci://HOST/NAME:TAG", exit_code=USAGE)
    package = local_package(folder)
    toml, artifact = read_bytes(folder)
    subject = package.subject
    files = FetchedFiles("", artifact, toml, package.signatures or b"")
    notes = {"org.opencontainers.image.title": subject.name, "org.opencontainers.image.version": subject.version}
    documents = documents_of(files, notes)
    try:
        before = standing(http_of(settings), settings_of(settings), remote)
        if before not in ("", documents.digest) and not force:
            hint = "Push another tag, or move this one with --force: whoever follows it rolls out what it stands for."
            raise Failure(f"{remote.reference} is another component already", f"it is {before}", hint, FAILED)
        push_documents(http_of(settings), settings_of(settings), remote, documents, lambda _: None)
    except FetchFailed as failed:
        raise Failure(failed.summary, failed.detail, failed.suggestion, FAILED) from None
    made = _document(subject, remote, documents.digest, signed=package.signatures is not None)
    signed = "signed" if made.signed else "unsigned"
    _tell(settings, remote, made, f"Pushed {made.name} {made.version} ({signed}) as {made.reference}")


def _attach(settings: Settings, folder: Path, remote: RemoteComponent) -> None:
    """Attach the signatures that lie in a folder to the component that it was pushed as."""
    if not isinstance(remote, OciComponent):
        raise Failure(f"{remote.reference} is in no registry", "signatures are attached to oci://…", exit_code=USAGE)
    package = local_package(folder)
    if package.signatures is None:
        hint = f"`airs sign {folder} --key KEY` writes them."
        raise Failure(f"there is no {package.file}", "nothing to attach", hint, USAGE)
    subject = package.subject
    try:
        digest = attach_signatures(
            http_of(settings), settings_of(settings), remote, package.signatures, subject.artifact
        )
    except FetchFailed as failed:
        raise Failure(failed.summary, failed.detail, failed.suggestion, FAILED) from None
    told = f"Attached the signatures of {subject.name} {subject.version} to {remote.reference}"
    _tell(settings, remote, _document(subject, remote, digest, signed=True), told)


def _document(subject: Subject, remote: OciComponent, digest: str, *, signed: bool) -> PushedComponent:
    return PushedComponent(
        name=subject.name, version=subject.version, reference=remote.reference, digest=digest,
        artifact=subject.artifact, signed=signed,
    )  # fmt: skip


def _tell(settings: Settings, remote: OciComponent, made: PushedComponent, told: str) -> None:
    if settings.is_json:
        settings.print_json(made)
        return
    settings.out().print(Text(printable(told)))
    settings.out().print(Text(f"oci://{remote.repository}@{made.digest}"))

"""The component store: packages by their digest, and for each reference the package that it stood for last.

    packages/<hex of the package's digest>/{package.json, Component.toml, Component.toml.dsse}
    references/<hex of the reference's SHA-256>.json

These are files and no rows, so that a command without an agent and an agent share them. A package is immutable: it is
written whole beside the others, and renamed. Its artifact lies with all others in `artifacts/sha256`. Everything is
verified as it is read. The folder `packages` is locked for the moments in which something is written or collected.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from orchestrator.decoding import from_json
from orchestrator.model.base import canonical_json
from orchestrator.model.component_source import COMPONENT_FILE, SIGNATURES_FILE
from orchestrator.model.package import Package, PackageReference
from orchestrator.store.artifacts import Artifacts
from orchestrator.store.files import have_private_folder, write_whole

PACKAGE_FILE = "package.json"
FILE_MAX_BYTES = 256 << 10  # of a Component.toml or its signatures
_HEX = 64
_LEAVING, _DRAFT = ".leaving.", ".draft."


class PackageDamaged(Exception):
    """The files of a package are not those that its name promises."""


class StoredPackage(NamedTuple):
    """A package and its small files; those that it does not have are empty."""

    package: Package
    manifest: bytes
    signatures: bytes


class PackagesCollected(NamedTuple):
    """The packages and the references that a collection removed."""

    packages: tuple[Package, ...] = ()
    references: tuple[str, ...] = ()


class Packages:
    """The component store in a state directory; safe among processes."""

    def __init__(self, state_dir: Path, artifacts: Artifacts) -> None:
        self._packages, self._references = state_dir / "packages", state_dir / "references"
        self._artifacts = artifacts

    def put(
        self, artifact: bytes, manifest: bytes, signatures: bytes, named: tuple[str, str], note: PackageReference
    ) -> Package:
        """Keep a component by the name and version that it is `named`, and note the reference that it was fetched by.

        Raises:
            ValueError: the artifact is larger than any may be.
        """
        digest = self._artifacts.put(artifact)
        package = Package(
            digest=_digest(digest, manifest, signatures), artifact=digest, size_bytes=len(artifact), name=named[0],
            version=named[1], has_manifest=bool(manifest), has_signatures=bool(signatures),
        )  # fmt: skip
        with self._locked():
            if not self._is_whole(package.digest):
                self._write(package, manifest, signatures)
            os.utime(self._folder(package.digest))
            self._note(msgspec.structs.replace(note, package=package.digest))
        return package

    def _is_whole(self, digest: str) -> bool:
        try:
            self.read(digest)
        except (FileNotFoundError, PackageDamaged):
            return False
        return True

    def _write(self, package: Package, manifest: bytes, signatures: bytes) -> None:
        folder = self._folder(package.digest)
        draft = folder.with_name(_DRAFT + secrets.token_hex(6))
        draft.mkdir(mode=0o700)
        files = {PACKAGE_FILE: canonical_json(package), COMPONENT_FILE: manifest, SIGNATURES_FILE: signatures}
        for name, data in files.items():
            if data:
                write_whole(draft / name, data)
        if folder.exists():  # damaged
            _remove(folder)
        os.rename(draft, folder)

    def read(self, digest: str) -> StoredPackage:
        """Return a package, verified; its artifact is verified when that is read.

        Raises:
            FileNotFoundError: there is none.
            PackageDamaged: its files were changed.
        """
        folder = self._folder(digest)
        try:
            package = from_json((folder / PACKAGE_FILE).read_bytes(), Package)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PackageDamaged(f"{folder / PACKAGE_FILE}: {error}") from None
        manifest = _read(folder / COMPONENT_FILE) if package.has_manifest else b""
        signatures = _read(folder / SIGNATURES_FILE) if package.has_signatures else b""
        if package.digest != digest or _digest(package.artifact, manifest, signatures) != digest:
            raise PackageDamaged(f"{folder} does not contain what its name says; it is fetched again")
        return StoredPackage(package, manifest, signatures)

    def all(self) -> list[Package]:
        """Return every package that is whole, by name and version."""
        found = []
        for name in (path.name for path in _listed(self._packages) if len(path.name) == _HEX):
            try:
                found.append(self.read(f"sha256:{name}").package)
            except (FileNotFoundError, PackageDamaged):  # it leaves, or is fetched again
                continue
        return sorted(found, key=lambda one: (one.name, one.version, one.digest))

    def artifacts(self) -> set[str]:
        """Name the artifacts that packages need."""
        return {package.artifact for package in self.all()}

    def artifact_path(self, digest: str) -> Path:
        """Name the file of a package's artifact."""
        return self._artifacts.path(digest)

    def reference(self, reference: str) -> PackageReference | None:
        """Return what is known of a reference; None for one that was never looked at, or whose note is damaged."""
        note = _noted(self._note_file(reference))
        return note if note is not None and note.reference == reference else None

    def references(self) -> list[PackageReference]:
        """Return what is known of every reference, sorted."""
        found = (_noted(path) for path in _listed(self._references) if path.suffix == ".json")
        return sorted((one for one in found if one is not None), key=lambda one: one.reference)

    def note(self, note: PackageReference) -> None:
        """Keep what is known of a reference."""
        with self._locked():
            self._note(note)

    def touch(self, reference: str, now_s: float) -> None:
        """Say that a reference is in use, for the sake of a collection."""
        try:
            os.utime(self._note_file(reference), (now_s, now_s))
        except FileNotFoundError:
            return

    def forget(self, reference: str) -> None:
        """Forget a reference; its package stays until it is collected."""
        with self._locked():
            self._note_file(reference).unlink(missing_ok=True)

    def remove(self, digest: str) -> None:
        """Remove a package, and every reference that stands for it."""
        with self._locked():
            for note in self.references():
                if note.package == digest:
                    self._note_file(note.reference).unlink(missing_ok=True)
            folder = self._folder(digest)
            leaving = folder.with_name(_LEAVING + folder.name)
            os.rename(folder, leaving)
            _remove(leaving)

    def collect(self, needed: Callable[[], Set[str]], before_s: float) -> PackagesCollected:
        """Remove the references that nobody used since `before_s`, and the packages that are not needed any more.

        A package is needed while a reference stands for it, while `needed` names its artifact, and until it is as old
        itself. A reference stays while it is installed, and while `needed` names its artifact. A kill at any instant
        leaves each whole or gone; drafts of interrupted writes go with the next collection.
        """
        if not self._packages.is_dir():
            return PackagesCollected()
        with self._locked():
            artifacts = {package.digest: package.artifact for package in self.all()}
            named = needed()
            gone = []
            for note in self.references():
                is_needed = note.is_installed or artifacts.get(note.package) in named
                if not is_needed and self._note_file(note.reference).stat().st_mtime < before_s:
                    self._note_file(note.reference).unlink()
                    gone.append(note.reference)
            kept = {note.package for note in self.references()}
            return PackagesCollected(tuple(self._collected(kept, named, before_s)), tuple(gone))

    def _collected(self, kept: Set[str], named: Set[str], before_s: float) -> Iterator[Package]:
        for path in _listed(self._packages):
            if path.name.startswith((_LEAVING, _DRAFT)):
                _remove(path)
        for package in self.all():
            folder = self._folder(package.digest)
            if package.digest in kept or package.artifact in named or folder.stat().st_mtime >= before_s:
                continue
            leaving = folder.with_name(_LEAVING + folder.name)
            os.rename(folder, leaving)
            _remove(leaving)
            yield package

    def _note(self, note: PackageReference) -> None:
        have_private_folder(self._references)
        write_whole(self._note_file(note.reference), canonical_json(note))

    def _folder(self, digest: str) -> Path:
        return self._packages / digest.removeprefix("sha256:")

    def _note_file(self, reference: str) -> Path:
        return self._references / f"{hashlib.sha256(reference.encode()).hexdigest()}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        have_private_folder(self._packages)
        with (self._packages / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _noted(path: Path) -> PackageReference | None:
    try:
        return from_json(path.read_bytes(), PackageReference)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _digest(artifact: str, manifest: bytes, signatures: bytes) -> str:
    parts = {"artifact": artifact, "manifest": _sha256(manifest), "signatures": _sha256(signatures)}
    return f"sha256:{hashlib.sha256(canonical_json(parts)).hexdigest()}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if data else ""


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(FILE_MAX_BYTES)
    except FileNotFoundError:
        raise PackageDamaged(f"{path} is missing") from None


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(folder: Path) -> None:
    for path in _listed(folder):
        path.unlink()
    folder.rmdir()

"""The secrets of one agent: where a value is found, its fingerprint, and the values that revisions were made with.

All methods may be called from any thread, and none raises because of what an operator can do.
"""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from orchestrator.model.desired import DesiredState
from orchestrator.model.secret import LackingSecret, SealedSecret, Secret, SecretName
from orchestrator.secrets.filled import Before, secret_names, with_fingerprints
from orchestrator.secrets.folder import (
    RefusedSecret,
    as_secret,
    file_of,
    names_in,
    read_secret_file,
    signature,
    standing,
)
from orchestrator.secrets.keys import FILE, read_keys
from orchestrator.secrets.sealing import SealingProblem, unseal
from orchestrator.secrets.variables import name_of, variable_name

REMEMBERED_MAX = 1_000  # values of revisions that are not in force any more
FINGERPRINT_DIGITS = 32


class SecretPlaces(NamedTuple):
    """Where an agent finds secrets beside sealed documents: a folder, and variables."""

    folder: Path
    variables: Mapping[str, Secret]


class FoundSecret(NamedTuple):
    """A value in force: where it is from, in words, and its fingerprint."""

    origin: str
    where: str
    value: Secret
    fingerprint: str


class Secrets:
    """The secrets of one state directory. Without its key, fingerprints are empty."""

    def __init__(self, places: SecretPlaces, state_dir: Path, key: bytes | None) -> None:
        self._places, self._state_dir = places, state_dir
        self._key = None if key is None else hmac.digest(key, b"airs: fingerprints of secrets", "sha256")
        self._lock = threading.Lock()
        self._sealed: dict[str, tuple[SealedSecret, ...]] = {}
        self._remembered: OrderedDict[str, Secret] = OrderedDict()

    def note_sealed(self, source: str, sealed: tuple[SealedSecret, ...]) -> None:
        """Take the sealed values that a source brings along, in place of those it brought before."""
        with self._lock:
            if sealed:
                self._sealed = {**self._sealed, source: sealed}
            elif source in self._sealed:
                self._sealed = {name: kept for name, kept in self._sealed.items() if name != source}

    def find(self, name: SecretName, sealed: Iterable[SealedSecret] = ()) -> FoundSecret | LackingSecret:
        """Find the value in force; `sealed` are values that no source has brought along yet."""
        found = self._in_variables(name) or self._in_folder(name) or self._in_sealed(name, sealed)
        if isinstance(found, RefusedSecret):
            return LackingSecret(namespace=name.namespace, name=name.name, why=found.why, hint=found.hint)
        if found is None:
            places = f"{file_of(self._places.folder, name)} (mode 0600)"
            hint = f"write its value to {places}, set {variable_name(name)} for the agent, or `airs secret seal` it"
            return LackingSecret(namespace=name.namespace, name=name.name, why="is not there", hint=hint)
        self._remember(found.fingerprint, found.value)
        return found

    def names(self) -> frozenset[SecretName]:
        """Return the secrets that there is a value of, in the folder or a variable."""
        return frozenset((*names_in(self._places.folder), *map(name_of, self._places.variables)))

    def fingerprints(
        self, names: Iterable[SecretName], sealed: Iterable[SealedSecret] = ()
    ) -> dict[SecretName, str | LackingSecret]:
        """Return the fingerprint of each value in force, or why there is none."""
        brought = tuple(sealed)
        found = {name: self.find(name, brought) for name in names}
        return {name: one if isinstance(one, LackingSecret) else one.fingerprint for name, one in found.items()}

    def filled(self, desired: DesiredState, before: Before | None = None) -> DesiredState:
        """Return what a source wants with the fingerprints in force; the very same where nothing is to be changed."""
        names = secret_names(desired)
        if not names and not desired.lacking:
            return desired
        return with_fingerprints(desired, self.fingerprints(sorted(names), desired.sealed), before)

    def read(self, name: SecretName, fingerprint: str) -> FoundSecret | LackingSecret:
        """Return the value that a revision was made with while it is remembered, else the value in force."""
        with self._lock:
            value = self._remembered.get(fingerprint) if fingerprint else None
        if value is not None:
            return FoundSecret("memory", "", value, fingerprint)
        found = self.find(name)
        if isinstance(found, LackingSecret) or not fingerprint or found.fingerprint == fingerprint:
            return found
        brought = (each for each in self._brought() if each.id == name)  # by another source than the first
        opened = (self._opened(name, each) for each in brought)
        return next((one for one in opened if isinstance(one, FoundSecret) and one.fingerprint == fingerprint), found)

    def remembered(self) -> tuple[Secret, ...]:
        """Return the values that were looked up lately, so that they can be taken out of texts."""
        with self._lock:
            return tuple(self._remembered.values())

    def signature(self) -> tuple[object, ...]:
        """Return something that differs once a value in the folder, or a key, was changed."""
        return (signature(self._places.folder), standing(self._state_dir / FILE))

    def _fingerprint(self, name: SecretName, value: Secret) -> str:
        if self._key is None:
            return ""
        said = f"{name.namespace}\0{name.name}\0{value.reveal()}".encode()
        return hmac.new(self._key, said, "sha256").hexdigest()[:FINGERPRINT_DIGITS]

    def _remember(self, fingerprint: str, value: Secret) -> None:
        with self._lock:
            if fingerprint:
                self._remembered[fingerprint] = value
                self._remembered.move_to_end(fingerprint)
            while len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)

    def _in_variables(self, name: SecretName) -> FoundSecret | RefusedSecret | None:
        variable = variable_name(name)
        given = self._places.variables.get(variable)
        if given is None:
            return None
        value = as_secret(given.reveal().encode(errors="surrogateescape"))
        return self._found(name, "variable", variable, value)

    def _in_folder(self, name: SecretName) -> FoundSecret | RefusedSecret | None:
        value = read_secret_file(self._places.folder, name)
        return None if value is None else self._found(name, "folder", str(file_of(self._places.folder, name)), value)

    def _in_sealed(self, name: SecretName, sealed: Iterable[SealedSecret]) -> FoundSecret | RefusedSecret | None:
        brought = next((each for each in (*sealed, *self._brought()) if each.id == name), None)
        return None if brought is None else self._opened(name, brought)

    def _opened(self, name: SecretName, brought: SealedSecret) -> FoundSecret | RefusedSecret:
        try:
            value = unseal(read_keys(self._state_dir).private, brought)
        except SealingProblem as problem:
            return RefusedSecret(str(problem), problem.hint)
        return self._found(name, "sealed", f"key {brought.key}", value)

    def _brought(self) -> Iterable[SealedSecret]:
        with self._lock:
            by_source = self._sealed
        return (each for _, sealed in sorted(by_source.items()) for each in sealed)

    def _found(
        self, name: SecretName, origin: str, where: str, value: Secret | RefusedSecret
    ) -> FoundSecret | RefusedSecret:
        if isinstance(value, RefusedSecret):
            return value
        return FoundSecret(origin, where, value, self._fingerprint(name, value))

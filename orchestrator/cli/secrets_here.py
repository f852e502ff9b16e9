"""The secrets of a source as a command sees them: asked of the agent, or found here where none runs."""

import os
from pathlib import Path

from orchestrator.cli.context import Settings
from orchestrator.contract.bodies import SecretsBody
from orchestrator.model.desired import DesiredState, Resolution
from orchestrator.secrets.filled import secret_names, with_fingerprints
from orchestrator.secrets.listing import fingerprinted, fingerprints_of
from orchestrator.secrets.secrets import SecretPlaces, Secrets
from orchestrator.secrets.variables import secrets_among


def with_secrets(settings: Settings, resolution: Resolution) -> Resolution:
    """Fill in the fingerprints of what a source wants."""
    names = sorted(secret_names(resolution.desired))
    if not names:
        return resolution
    client = settings.connection()
    sealed = resolution.desired.sealed
    if client.answers():
        views = client.fingerprints(SecretsBody(names=tuple(names), sealed=sealed))
    else:
        views = fingerprinted(secrets_here(settings), names, sealed)
    desired: DesiredState = with_fingerprints(resolution.desired, fingerprints_of(views))
    return Resolution(desired=desired, diagnostics=resolution.diagnostics)


def secrets_here(settings: Settings) -> Secrets:
    """Return the secrets as an agent would find them that this command started; without a state, no fingerprints."""
    from orchestrator.store.state_dir import read_key  # with the database, for which nobody waits otherwise

    state_dir = settings.state_dir
    key = read_key(state_dir) if os.path.lexists(state_dir / "key") else None
    places = SecretPlaces(Path(settings.configured.secrets.dir), secrets_among(os.environ))
    return Secrets(places, state_dir, key)

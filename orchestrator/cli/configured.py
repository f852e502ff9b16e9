"""Finds `airs.toml` and the state directory, and reads the settings in force: for commands, and for agents they start.

A flag comes before a variable, a variable before the file, the file before the default. The state directory is asked
for by every command, so that no file is read for it unless the file could name one.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.contract.codes import INVALID, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.settings.paths import placed

if TYPE_CHECKING:
    from orchestrator.model.diagnostic import Diagnostic
    from orchestrator.settings.resolve import ResolvedSettings

FILE = "airs.toml"
STATE_DIR, SECRETS_DIR = "state-dir", "secrets.dir"  # keys whose defaults depend on the user


class Found(NamedTuple):
    """The file of settings, None for none, and the state directory, unless the file could name it and is wrong."""

    file: Path | None
    state_dir: Path
    diagnostics: "tuple[Diagnostic, ...]" = ()


def find(flags: Mapping[str, str]) -> Found:
    """Find the file and the state directory by the flags that were given, and by the environment.

    Raises:
        Failure: a file that was named is not there, or what it says about the state directory cannot be used.
    """
    named = flags.get("--state-dir") or os.environ.get("AIRS_STATE_DIR")
    state_dir = Path(named).absolute() if named else default_state_dir()
    asked = flags.get("--config") or os.environ.get("AIRS_CONFIG")
    if asked:
        file = Path(asked).absolute()
        if not file.exists():
            by = "--config" if flags.get("--config") else "AIRS_CONFIG"
            raise Failure(f"there is no file {file}", f"{by} names it.", "Write it, or name another.", USAGE)
    elif (state_dir / FILE).exists():
        return Found(state_dir / FILE, state_dir)
    else:
        file = config_home() / FILE
        if not file.exists():
            return Found(None, state_dir)
    if named:
        return Found(file, state_dir)
    named = _state_dir_of(file)
    if named is not None:
        return Found(file, Path(placed(named, str(file.parent), str(Path.home()))) if named else state_dir)
    settings = _resolved(file, flags, state_dir)
    return Found(file, Path(settings.values.state_dir) if settings.values else state_dir, settings.diagnostics)


def _state_dir_of(file: Path) -> str | None:
    from orchestrator.settings.quick import state_dir_of  # with what reads TOML

    try:
        return state_dir_of(file)
    except OSError as error:
        raise _unreadable(file, error) from None


def resolved(found: Found, flags: Mapping[str, str]) -> "ResolvedSettings":
    """Resolve all settings; what is wrong with them is among the diagnostics.

    Raises:
        Failure: the file cannot be read.
    """
    settings = _resolved(found.file, flags, found.state_dir)
    if settings.values is None or settings.values.state_dir == str(found.state_dir):
        return settings
    from orchestrator.settings.resolve import misplaced_state_dir

    return misplaced_state_dir(settings, str(found.state_dir))


def _resolved(file: Path | None, flags: Mapping[str, str], state_dir: Path) -> "ResolvedSettings":
    from orchestrator.settings.file import read_settings_file  # with what reads manifests
    from orchestrator.settings.resolve import GivenSettings, resolve_settings

    defaults = {STATE_DIR: str(state_dir), SECRETS_DIR: str(config_home() / "secrets")}
    given = GivenSettings(flags, os.environ, defaults, str(Path.cwd()), str(Path.home()))
    try:
        read = None if file is None else read_settings_file(file)
    except OSError as error:
        raise _unreadable(file, error) from None
    return resolve_settings(read, given)


def _unreadable(file: Path | None, error: OSError) -> Failure:
    return Failure(f"{file} cannot be read", error.strerror or "", exit_code=USAGE)


def invalid_settings(diagnostics: "tuple[Diagnostic, ...]") -> Failure:
    """Say that settings cannot be used, and all that is wrong with them."""
    told = "\n".join(
        f"{each.location}: {each.summary}{f' ({each.suggestion})' if each.suggestion else ''}" for each in diagnostics
    )
    return Failure("the settings cannot be used", told, "`airs config show` checks them.", INVALID)


def default_state_dir() -> Path:
    """Return the user's folder for state."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def config_home() -> Path:
    """Return the user's folder for configurations of airs."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def _xdg(variable: str, otherwise: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base and os.path.isabs(base) else Path.home() / otherwise) / "airs"

"""`airs config show`: every setting, and where its value is from."""

from typing import Any

import click

from orchestrator.cli.context import Settings, command, global_options
from orchestrator.cli.excerpts import in_files, on_disk
from orchestrator.cli.show import show_diagnostics, table
from orchestrator.contract.codes import INVALID
from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.settings import Origin, Setting

COLUMNS = ("KEY", "VALUE", "FROM")


class ConfigurationView(Value, frozen=True):
    """The document of `config show`: the file, empty for none, and all settings, none where they are wrong."""

    file: str
    settings: tuple[Setting, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


@click.group()
@global_options
def config() -> None:
    """Look at the settings in `airs.toml`, in variables and flags."""


@command()
def show(settings: Settings) -> int:
    """Show every setting, its value, and where that is from."""
    found, resolved = settings.found, settings.resolved
    file = "" if found.file is None else str(found.file)
    if settings.is_json:
        settings.print_json(
            ConfigurationView(file=file, settings=resolved.settings, diagnostics=resolved.diagnostics)
        )  # fmt: skip
    elif resolved.values is not None:
        settings.out().print(f"file  {file or f'none; {found.state_dir}/airs.toml is looked for first'}\n")
        table(settings.out(), COLUMNS, [(each.key, _shown(each.value), _source(each)) for each in resolved.settings])
    show_diagnostics(settings.err(), resolved.diagnostics, in_files(on_disk))
    return 0 if resolved.values is not None else INVALID


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _source(setting: Setting) -> str:
    return setting.where if setting.origin is not Origin.DEFAULT else "default"


config.add_command(show)

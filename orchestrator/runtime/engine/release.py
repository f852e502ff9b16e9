"""Which wasmtime is installed: read off the name of its metadata's folder, as reading the metadata takes far longer."""

from pathlib import Path

import wasmtime


def wasmtime_version() -> str:
    """Return its version."""
    folders = [*Path(wasmtime.__file__).parent.parent.glob("wasmtime-*.dist-info")]
    if len(folders) == 1:
        return folders[0].name.removesuffix(".dist-info").partition("-")[2]
    from importlib.metadata import version

    return version("wasmtime")

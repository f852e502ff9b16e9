"""Turns a snapshot of manifests into the desired state and the diagnostics met on the way.

The source reader calls `references` to learn what a snapshot needs beside the manifests and keeps to the size limits
given here; the command line calls `resolve`, the controller keeps a `Resolver` for each source, and `airs schema`
prints `schema_text`. Everything here is pure: it opens no file but the schemas that ship with the program, and a
snapshot always resolves to the same value.
"""

from orchestrator.manifest.documents import FILE_MAX_BYTES as MANIFEST_MAX_BYTES
from orchestrator.manifest.overlay.layers import OverlayRoom
from orchestrator.manifest.overlay.render import may_hold_overlays, overlay_uses
from orchestrator.manifest.references import Reference, component_uses, references
from orchestrator.manifest.resolve import Resolver, resolve
from orchestrator.manifest.schema import schema_kinds, schema_text
from orchestrator.manifest.toml import FILE_MAX_BYTES as COMPONENT_MAX_BYTES

__all__ = [
    "COMPONENT_MAX_BYTES",
    "MANIFEST_MAX_BYTES",
    "OverlayRoom",
    "Reference",
    "Resolver",
    "component_uses",
    "may_hold_overlays",
    "overlay_uses",
    "references",
    "resolve",
    "schema_kinds",
    "schema_text",
]

"""Turns an overlay and the manifests of its bases into the deployments that they come to.

`entries` calls it for each manifest that holds an overlay, `references` for the folders that one names, `airs render`
for the documents. An overlay is data: no text is a template, nothing is evaluated, and a variable stands for one whole
value. Everything here is pure, and whatever the bytes, the answer is deployments and problems.
"""

from orchestrator.manifest.overlay.document import KIND as OVERLAY_KIND

__all__ = ["OVERLAY_KIND"]

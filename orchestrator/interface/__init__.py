"""Decides what a component's world means for running it here: what it lacks, what drives it, what it wants from us.

`manifest` asks it of every artifact before anything changes. Reading a world off a binary is `runtime`'s business.
"""

from orchestrator.interface.world import is_driven, needs_storage, unmet_imports

__all__ = ["is_driven", "needs_storage", "unmet_imports"]

"""A guest's resource on this side: wasmtime's handle, which is passed back to the guest or dropped.

`layout` makes them of results and passes them as arguments, `guest/sessions` keeps them, `guest/store` drops them.
"""

from orchestrator.runtime.engine import capi


class GuestResource:
    """A resource that a guest gave out. Forgetting it frees the handle alone; dropping it runs its destructor."""

    __slots__ = ("address",)

    def __init__(self, address: int) -> None:
        """Take over the handle at `address`."""
        self.address = address

    @classmethod
    def copied(cls, address: int) -> "GuestResource":
        """Copy the handle at `address`, which stays its owner's."""
        return cls(capi.resource_clone(address))

    def copy(self) -> int:
        """Return the address of a copy, which is the caller's to free, or to give to wasmtime in a value."""
        copied: int = capi.resource_clone(self.address)
        return copied

    def __del__(self) -> None:
        capi.resource_delete(self.address)

"""Messages into an actor and payloads out of it through memory, past wasmtime's value by value conversions.

At load `wrap` nests the guest's component, unchanged, in one that adds an adapter. The host writes a message into the
adapter's own memory as the canonical ABI wants it (`frames`), the adapter calls the guest, the host reads the answer
there; in the same way `imports` serves those host calls that carry payloads. Nobody but airs and the adapter's few
lines of code can reach that memory, so what is in it after a trap is still true.
"""

"""Carries one call across the border: plain Python values in, plain values out, in both directions.

    supervise → guest.Guest → guest.GuestStore → call.Entry → wasmtime → the guest          (a call in)
    host function ← link.served ← layout ← wasmtime ← the guest                             (a call out)

`types` reads a function's types once; `layout` compiles from each type the code that writes and reads its values;
`call.Entry` is one exported function of one instance, ready to be called. `frames` and `drive` do the same for messages
of actors through the adapter's memory, `link` and `stand_ins` for functions of the host. `faults` turns wasmtime's
failures into exit reasons, `finish` drives a call to its end on the caller's own thread. The hot path of every message
runs through `call` and `drive`: measure (`python -m benchmarks.calls --check`) before and after a change.
"""

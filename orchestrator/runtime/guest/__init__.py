"""Runs a component: a `GuestStore` is a wasmtime store with one instance in it, a `Guest` drives it.

`supervise` gets the start of a guest as a callable and never sees wasmtime. A `Guest` knows messages, sessions and
typed calls; its `GuestStore` knows limits: fuel, deadline, memory, and why a call ended. `StockStore` is the same over
wasmtime's own binding. `Direct` is a guest without supervision, for `airs component call`. One thread at a time uses a
guest, which its supervisor sees to; a store that failed is never entered again.
"""

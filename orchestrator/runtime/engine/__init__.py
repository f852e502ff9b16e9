"""Owns what all guests share: wasmtime's engines, their settings, the tick, memories, stacks, C functions.

    engines   which of two engines a component runs on: with guard pages, or packed closely for many small instances
    engine    one of them, with all that hangs on it
      tick      makes running calls look up every two milliseconds; a deadline is judged by the clock, never by ticks
      memory    linear memories, each counted against its instance's limit
      stacks    the stacks guests run on
      stuck     calls that were given up and still hold a thread, counted per deployment
      cell      what callbacks of one instance know while a call runs, and why it has to end
    capi      wasmtime's C functions, declared with plain addresses; `path` chooses between them and `stock/`
    host_import  a host function as a value, which `host/` hands in

`component/` compiles with an engine, `guest/` runs on one. No component, type or message is known here.
"""

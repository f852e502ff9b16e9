"""Gives a guest of WASI its world: arguments, environment, folders, network and output, as far as the grants go.

`host` decides from the grants what a guest gets and describes it as a `Wasi`; `config.give` makes wasmtime's own
configuration of one store of it. `pipes` carries stdout and stderr of all guests through one thread, `special` refuses
folders that hold FIFOs or devices, `sockets` sets the switches of wasmtime's network that its C interface lacks.
"""

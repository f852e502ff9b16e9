"""Turns a folder or a git repository, as typed on the command line, into snapshots; the controller and the CLI call it.

`parse_source` decides what was meant, `open_source` gives something with `read()`, `watch` tells when to read
again. Nothing here knows what a manifest says: which further files are needed is asked of `manifest`, what a wasm
file holds is asked of `runtime`, both handed in as callables. Nothing here writes to what it reads.
"""

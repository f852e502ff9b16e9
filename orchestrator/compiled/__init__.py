"""What compiling components depends on, and what came of it, kept on disk: their code and their worlds.

`runtime` writes and reads both; the command line reads worlds, so that it loads the engine only for an artifact that
nobody has inspected yet. Nothing here imports wasmtime.
"""

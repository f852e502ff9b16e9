"""The compiled code and the worlds of artifacts, kept on disk, and the settings that compiling depends on.

`runtime` writes and reads both; the command line reads worlds, so that it loads the engine only for an artifact that
was never inspected here. Nothing here imports wasmtime.
"""

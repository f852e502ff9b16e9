"""Turns `airs.toml`, variables and flags into the settings in force, and says of each value where it is from.

The command line finds the file and hands variables, flags and computed defaults in; the agent is handed the typed
value. A key is described once, in `schemas/airs.schema.json`: its type, bounds and default, its variable (`x-variable`)
and flag (`x-flag`), and whether it is a path, or perhaps one (`x-path`).
"""

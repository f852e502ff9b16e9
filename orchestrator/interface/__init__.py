"""Judges a component's world: what it lacks here, whether anything drives it. Pure; the types are read in `runtime`."""

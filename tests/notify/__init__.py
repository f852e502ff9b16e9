"""Everything is real: these packages are pure."""

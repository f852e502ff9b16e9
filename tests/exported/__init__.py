"""Real here: everything, as the package is pure."""

"""Everything is real: `interface` is pure. Worlds are values written here, or read off components by `runtime`."""

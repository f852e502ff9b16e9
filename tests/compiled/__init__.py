"""Files, links, locks and processes are real here; nothing is compiled: that is in tests/runtime."""

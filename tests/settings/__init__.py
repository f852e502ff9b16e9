"""Files are real where a file's owner and mode count; otherwise the bytes of an `airs.toml` are handed in."""

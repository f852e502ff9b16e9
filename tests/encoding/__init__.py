"""These tests: values in, values out; nothing stands in for anything."""

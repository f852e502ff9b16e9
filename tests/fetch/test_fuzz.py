"""A sample of benchmarks/fuzz.py: whatever the bytes, a parser reads them or refuses them."""

from benchmarks.fuzz import fuzz


def test_foreign_bytes_are_read_or_refused():
    assert fuzz(400) == []

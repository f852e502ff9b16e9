"""The audit book: a chain of entries in segments, of which no part changes unnoticed. `chain` is pure."""

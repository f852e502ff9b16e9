"""The nouns every other package speaks in: frozen values without behaviour of their own.

Everything here is a `msgspec.Struct`, an enum or an exception, so that the same value is a Python object,
a row in the store, a field of an API answer and a line of a saved plan. Nothing here reads a clock, a file
or a random number, and nothing here imports another package of ours.
"""

"""Signatures on components: keys, envelopes, the signed statement, and which keys a machine trusts.

Everything here is pure: bytes in, values out, with time and randomness as arguments. Manifests are resolved with it,
the command line signs and verifies with it, and the agent verifies again before each start. Whether a signature is
*required* is decided elsewhere, by policies; who is trusted is kept by `store/trust.py`.

PyNaCl and `cryptography` are imported when a signature or an encrypted key is at hand, and not before: a command that
has nothing to do with signatures starts without them.
"""

"""The exported state: what an agent runs, as much of it as a plan needs, in a file that any machine may plan against.

Everything here is pure: values and bytes in, values and bytes out, with times and keys as arguments. It never holds a
secret, data of guests or a message, and it is read as hostile: a file from elsewhere is bounded, signed and strict.
"""

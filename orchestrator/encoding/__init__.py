"""Reads values from their encodings: JSON text without loss, and the multicodec prefix of a message. Pure.

The command line and the API read typed calls with it, `messaging` the encoding of a payload. How a manifest is written
is decided in `manifest`, how a WIT value lies in a guest's memory in `runtime/call`.
"""

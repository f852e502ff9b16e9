"""The contract between an agent and its clients: documents, request bodies, routes, problems, exit codes, the socket.

Used by `agent` and `client` alike, so that neither writes down what the other must agree with. It needs `model` and
msgspec, and does nothing.
"""

"""The WIT interfaces a guest may import, as values handed to `runtime`; every guarded call checks its grant first.

A denied call returns the interface's own error. Nothing here raises into a guest.
"""

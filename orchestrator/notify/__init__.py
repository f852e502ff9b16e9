"""Requests of forges → looks at sources; what happens to sources and deployments → words for forges and people.

Pure: signatures, hints, the intervals between looks, transitions, and the shapes of requests. The agent listens and
sends (`agent/webhooks.py`, `agent/notifying.py`).
"""

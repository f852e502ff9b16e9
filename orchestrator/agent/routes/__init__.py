"""The routes of the API, a module for each resource; `agent/api.py` puts them together."""

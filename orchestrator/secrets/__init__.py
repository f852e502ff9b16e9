"""Finds the values of secrets (variables, the agent's folder, sealed documents) and gives them to nobody but guests.

The agent has one `Secrets`; commands that plan without an agent make one for themselves. A plan, a record and the API
know a *fingerprint* of a value, which is a hash under the state directory's key: it says that a value changed, and
nothing about which it is. Values are kept in memory only.

A value is found in this order: the variable `AIRS_SECRET_NAME`, the folder, a `SealedSecret` of a source. A value
that cannot be used is told, and never passed over for the next place: it would be another than the operator meant.
"""

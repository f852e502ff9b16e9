"""The durable state: decisions and guest data in RocksDB, artifacts by digest, the lock of the state directory.

Called by the agent, `execute` (decisions), `host` (guest data) and, reading only, the CLI. It keeps what it is given
and judges none of it.
"""

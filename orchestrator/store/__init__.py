"""What outlives the process: decisions and guest data in RocksDB, artifacts by digest, who holds the state directory.

Called by the agent, `execute` (decisions), `host` (guest data) and, reading only, the CLI. It keeps what it is given
and judges none of it.
"""

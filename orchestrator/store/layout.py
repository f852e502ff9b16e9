"""Names within a state directory that are needed without opening it."""

CACHE = "cache"  # the folder of files that can be made again
LOCK = "lock"  # the file that the user of the directory holds
SIGNATURES = "signatures"  # the folder of signatures on what may have to start
TRUST = "trust.json"  # the keys that this machine trusts

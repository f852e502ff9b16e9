"""Names within a state directory that are needed without opening it."""

CACHE = "cache"  # the folder of what can be made again
LOCK = "lock"  # the file that whoever uses the directory holds

"""Makes what happens visible: events, guests' log lines, and the observed state the planner compares with.

It reads and remembers within bounds; it decides nothing and changes nothing.
"""

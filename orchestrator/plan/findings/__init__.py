"""Actions, and facts beyond the two states → findings: which callers break, and all else that a reader has to know.

`callers.py` decides: it blocks an action. The others only tell, and are asked for a plan that somebody is shown.
"""

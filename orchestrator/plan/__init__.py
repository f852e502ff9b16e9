"""What separates one source's desired state from what is observed: a Plan, and what people and tools see of it.

`make.py` decides by the table in `rules.py`; `text.py` and `saved.py` show and keep the one value it returns. Pure: no
clock, no file, no terminal. It never acts and never reads a manifest.
"""

"""The differences between one source's desired state and the observed state: a Plan, and its views.

`make.py` decides by the table in `rules.py`; `text.py` and `saved.py` show and keep the one value it returns. Pure: no
clock, no file, no terminal. It never acts and never reads a manifest.
"""

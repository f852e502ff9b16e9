"""The slow, global loop: decides which instances should exist. `loop.py` is the sentence the project is named after."""

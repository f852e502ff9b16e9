"""Keeps the instances alive that should exist: the fast, local one of the two loops.

The supervisor decides whether the instance that just exited starts again. Which instances should exist is the
controller's decision; it reads `starting`, `backing-off` and `gave-up` here and leaves the first two alone.
"""

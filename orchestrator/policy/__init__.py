"""Policies: documents → values, and (what a deployment asks for, policies, approvals) → verdict. Pure.

`plan` shows the verdict before anything is touched; the controller carries it out, and `execute` asks again before
whatever a person begins by hand.
"""

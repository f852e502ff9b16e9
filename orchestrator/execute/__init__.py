"""Carries a plan out: one outcome per action, decisions durable before their effects, every step repeatable.

Called by the controller on each pass. It decides nothing that `plan` or `rollout` could have decided.
"""

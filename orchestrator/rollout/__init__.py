"""(Rollout, facts, now) → Rollout: how another revision takes over, one pure tick at a time.

`advance` decides, `shape` says what the world should look like meanwhile, `commands` answers people. Called by
`execute`, which observes the facts, writes each changed rollout durably, and then makes the world match its shape.
Nothing here starts, stops or measures anything.
"""

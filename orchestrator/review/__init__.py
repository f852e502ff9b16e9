"""Plans and diagnostics as forges show them where people review: a comment, or remarks at the lines of a change.

Everything here is pure, and every text may be hostile: it comes from manifests, commits and states of others.
"""

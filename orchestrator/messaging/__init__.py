"""Mailboxes and the routes that lead out of them: every message gets exactly one outcome.

The mailbox belongs to the deployment, not to an instance; a switch of versions changes who takes from it and
moves nothing. Instances take when they are idle, the longest idle first, which is round-robin under even load.
"""

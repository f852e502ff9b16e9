"""Real here: files, locks, processes that are killed, the store. Not: guests and the agent around it."""

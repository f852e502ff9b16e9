"""One deployment's mailbox: what waits in it, who may put something in, and which instance takes what."""

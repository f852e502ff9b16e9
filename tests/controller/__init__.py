"""The controller's own decisions: which deployments to look at, and which to plan again. Everything here is real."""

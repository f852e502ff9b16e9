"""The real controller, execution, supervision, messaging and store, in a world whose every chance comes from a seed."""

"""Real here: files and their modes, PyNaCl. Deployments are values, and no agent runs."""

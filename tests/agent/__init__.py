"""What the agent says of things; everything here is pure values."""

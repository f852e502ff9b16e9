"""What is real here: everything; keys are made from fixed seeds, and `openssl` reads and writes them."""

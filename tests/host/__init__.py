"""What host functions know of their caller. Real: everything here."""

"""Real here: everything, as the package is pure; comments are rendered by another parser of Markdown."""

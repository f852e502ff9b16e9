"""The long-running process: puts the parts together, serves them on a Unix socket, and ends them politely."""

"""OCI registries: the documents that they hold, and the protocol by which they are asked."""

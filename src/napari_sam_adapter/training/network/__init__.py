"""The network under training, and where its numbers start."""

"""SAM's image encoder, and its quick ways on each kind of processor."""

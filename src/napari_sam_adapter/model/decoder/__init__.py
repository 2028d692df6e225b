"""SAM's prompt encoder and mask decoder, and the quick way through them."""

"""The decoder's logits to the pixels of masks."""

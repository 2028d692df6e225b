"""Pixels, prompts and masks in the network's frame."""

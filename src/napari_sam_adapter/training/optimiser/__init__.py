"""Gradients to better weights, within the memory and time of the machine."""

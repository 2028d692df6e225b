"""Samples to what a step learns from: random views, objects, masks."""

"""Fit the base model and adapters."""

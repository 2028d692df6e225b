"""A file format each."""

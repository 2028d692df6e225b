"""Asking a network about objects of planes, and its answers."""

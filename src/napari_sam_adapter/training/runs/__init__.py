"""Whole trainings: prepared, run, validated, resumed."""

"""Front door for shells."""

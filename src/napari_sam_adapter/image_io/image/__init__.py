"""An opened image: pixels that are not read yet, and what they mean."""

"""Size, place, shape and brightness of labelled objects."""

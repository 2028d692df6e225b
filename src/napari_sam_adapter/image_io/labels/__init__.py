"""Labels of an image: whether they are its own, and their files."""

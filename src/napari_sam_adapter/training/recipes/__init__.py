"""What to train and how: validated values, and the recipes of shipped weights."""

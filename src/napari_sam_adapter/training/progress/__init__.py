"""What a training tells while it runs, and at its end."""

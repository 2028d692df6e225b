"""What a session writes down: edits as lines, its state as a file."""

"""What a network made of planes, in memory and on disk."""

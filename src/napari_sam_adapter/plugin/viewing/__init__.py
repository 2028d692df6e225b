"""The viewer: which plane it shows, when it paints, whose turn it is."""

"""What commands work on: images, sessions, coordinates, networks."""

"""An image in use: its session, and the layers over it."""

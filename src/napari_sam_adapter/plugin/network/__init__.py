"""What the network does for the window, in the background."""

"""Training on open layers, and two adapters side by side."""

"""Weight files: read without running anything, recognised, written."""

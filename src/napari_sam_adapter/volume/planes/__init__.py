"""An image of any size: its planes, levels, and the windows of large planes."""

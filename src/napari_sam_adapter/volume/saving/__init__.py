"""Sessions on disk: autosaved, saved as folders, done again."""

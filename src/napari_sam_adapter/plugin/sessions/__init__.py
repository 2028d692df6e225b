"""Nothing is lost: autosave, sessions as folders, series."""

"""Following objects from plane to plane."""

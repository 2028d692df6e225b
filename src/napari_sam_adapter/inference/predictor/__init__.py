"""The predictor, and the names and files it is loaded from."""

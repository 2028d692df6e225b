"""How good a predictor is: protocols, metrics, tables."""

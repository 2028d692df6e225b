"""Any file: of which format it is, opening it, saving labels into it."""

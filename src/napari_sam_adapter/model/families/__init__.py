"""Networks beside SAM, and how each family wants its images."""

"""Images that are annotated one after the other."""

"""One 2-D image: pixels and prompts to masks."""

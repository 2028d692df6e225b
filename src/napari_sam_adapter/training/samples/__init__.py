"""Images with reference masks: read, drawn, kept back."""

"""What is edited: objects, prompts, labels, and the history of both."""

"""A network on its device: planes to embeddings, prompts to logits."""

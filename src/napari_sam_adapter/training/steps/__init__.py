"""One step of learning: simulated prompts, answers, losses."""

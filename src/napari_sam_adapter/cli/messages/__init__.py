"""What commands tell: progress, summaries, what was left out."""

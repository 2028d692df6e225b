"""What is everywhere on a plane, without prompts."""

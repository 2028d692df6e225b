"""What is added to a frozen encoder: SAM-Adapter, EVP, LoRA."""

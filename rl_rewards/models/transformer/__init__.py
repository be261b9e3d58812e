"""A transformer for text: the language model, sampling and scoring, reward models, LoRA, and pretrained weights."""

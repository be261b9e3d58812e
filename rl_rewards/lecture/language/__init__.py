"""Studies of language models: fine-tuning, reward models, RL against them, and learning from comparisons directly."""

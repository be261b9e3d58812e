"""Policies over texts: language models that are trained on texts, on comparisons, or on rewards of their responses."""

"""Searches over configurations: a sampler proposes them, runs measure them, and the best is trained on other seeds."""

"""Neural networks and tabular models: how an algorithm or a reward maps inputs to outputs."""

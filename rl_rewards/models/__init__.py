"""Neural networks and tabular models for algorithms and rewards."""

"""Invented numbers of seeds, for the verdicts of the studies of language."""

import numpy as np

SEEDS = 60
"""As many as exact bounds need for "90% of seeds", among ten claims."""


def about(mean: float) -> list[float]:
    """Return values with a small spread."""
    return (mean + 0.01 * np.linspace(-1.0, 1.0, SEEDS)).tolist()

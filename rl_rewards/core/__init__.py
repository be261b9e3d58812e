"""Pure code that all other packages share: types, requirements, distributions, returns, losses, normalisation."""

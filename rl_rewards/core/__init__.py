"""Pure shared pieces: types, requirements, distributions, returns, losses, normalisation. Imports nothing above it."""

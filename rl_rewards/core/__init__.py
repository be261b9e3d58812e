"""Pure shared pieces: types, networks, distributions, returns, losses, normalisation. Imports nothing above it."""

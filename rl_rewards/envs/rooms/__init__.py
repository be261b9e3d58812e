"""Small worlds of cells and square rooms, in pure JAX."""

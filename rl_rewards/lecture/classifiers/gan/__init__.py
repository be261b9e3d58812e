"""A generator and a classifier in one dimension."""

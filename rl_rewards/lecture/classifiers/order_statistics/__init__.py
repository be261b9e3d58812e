"""The best of n states that a classifier has never seen: expected maxima, and trained classifiers."""

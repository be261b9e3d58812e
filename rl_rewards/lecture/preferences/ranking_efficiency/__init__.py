"""Rankings of k segments: the number of comparisons they need, and how much they teach."""

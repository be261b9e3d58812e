"""AI feedback: what judges answer, and what is learned from it."""

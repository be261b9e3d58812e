"""A point in a maze of walls and hazards."""

"""How many answers a ranking takes."""

"""How early in a run success comes by chance."""

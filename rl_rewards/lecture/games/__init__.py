"""Goals that players set each other."""

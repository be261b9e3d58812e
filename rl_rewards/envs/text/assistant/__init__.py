"""A small world for assistants, in whose grammar every sentence is parsed exactly, so that the true reward is known."""

"""Offline RL: learning from recorded steps alone, and rewards that are learned for them."""

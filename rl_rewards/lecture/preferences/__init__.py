"""Rewards from preferences, of people and of judges."""

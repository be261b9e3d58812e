"""Rewards that are written as expressions in a small language: its grammar, its values, and the reward source."""

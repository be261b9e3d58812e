"""Rewards for what is new."""

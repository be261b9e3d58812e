"""Rewards from demonstrations."""

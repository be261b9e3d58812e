"""Rewards learned from demonstrations."""

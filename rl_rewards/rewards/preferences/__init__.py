"""Rewards learned from comparisons, rankings and ratings of segments."""

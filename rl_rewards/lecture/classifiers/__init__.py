"""Rewards from goal classifiers."""

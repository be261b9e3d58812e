"""Rewards that are learned instead of written down: environments, reward sources and RL algorithms, composed."""

__version__ = "0.1.0"

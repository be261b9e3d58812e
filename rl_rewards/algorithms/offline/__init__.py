"""Algorithms that learn from recorded steps alone; :mod:`~rl_rewards.algorithms.offline.learner` is their base."""

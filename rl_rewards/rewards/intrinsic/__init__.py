"""Rewards for what is new to the learner."""

"""Rewards for states and transitions that are new to the learner."""

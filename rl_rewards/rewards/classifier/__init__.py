"""Rewards from a classifier of goal states: fixed, adversarial, on pictures, and with labels that people give."""

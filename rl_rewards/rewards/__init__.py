"""Reward sources, one file each, that implement the base class in base.py."""

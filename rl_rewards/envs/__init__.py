"""Environments, one file per family."""

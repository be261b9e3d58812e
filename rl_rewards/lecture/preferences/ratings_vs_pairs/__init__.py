"""Ratings against pairs."""

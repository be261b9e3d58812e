"""Preferences about driving."""

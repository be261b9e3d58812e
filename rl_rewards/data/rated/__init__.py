"""Texts that people have rated, and what can be learned from them."""

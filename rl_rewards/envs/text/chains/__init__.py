"""Arithmetic in words, ``env=text_chains``: problems of three kinds, and an exact verifier of every step."""

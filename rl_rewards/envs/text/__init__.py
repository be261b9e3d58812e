"""Environments whose episodes are a prompt and a response, as arrays of tokens."""

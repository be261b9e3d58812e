"""Labelers: who answers queries, and the durable store of what they said."""

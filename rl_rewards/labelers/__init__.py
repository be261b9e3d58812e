"""Labelers, which answer queries, and the durable store of their answers."""

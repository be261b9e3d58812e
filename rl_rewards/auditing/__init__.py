"""Audits of a learned reward: what it pays for, by intervention, beside the true reward and beside its training data."""

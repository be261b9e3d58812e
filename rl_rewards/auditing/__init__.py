"""Audits of a learned reward: what it pays for by intervention, and how far it is from the true reward."""

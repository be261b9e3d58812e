"""A lint of rewards that people write: simple policies act, and what the reward's terms pay them is looked at."""

"""Lists the runs in folders, filters them, and deletes those that a person chooses (``rl_rewards.runs``)."""

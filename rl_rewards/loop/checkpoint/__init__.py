"""Checkpoints of a run: of everything, of the best policy and reward, and of one owner alone."""

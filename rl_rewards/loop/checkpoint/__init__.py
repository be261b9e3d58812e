"""Checkpoints of a run: of the whole state, of the best policy and reward, and of a single item."""

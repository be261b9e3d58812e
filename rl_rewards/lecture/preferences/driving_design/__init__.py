"""The driving challenge: a ladder of rewards, what trained policies make of each, and what remains unproven."""

"""The parts of an AI judge: what it is told, how it is asked, what it is understood to say, and what is kept of it."""

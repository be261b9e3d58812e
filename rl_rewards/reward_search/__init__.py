"""A language model writes rewards, policies are trained with them, and it improves the fittest one (Eureka)."""

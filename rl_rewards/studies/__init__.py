"""The engine of experiments with arms and a verdict."""

"""Runs experiments: build, collect, learn, evaluate, log, checkpoint."""

"""How an experiment runs: build, collect, learn, evaluate, log, checkpoint."""

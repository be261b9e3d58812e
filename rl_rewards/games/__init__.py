"""Two players as one environment, one algorithm and one reward: asymmetric self-play."""

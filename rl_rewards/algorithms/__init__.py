"""Learning algorithms, which implement the contract in base.py."""

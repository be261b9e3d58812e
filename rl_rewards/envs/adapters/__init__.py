"""Adapters to other people's environments: Gymnasium, gymnax and EnvPool."""

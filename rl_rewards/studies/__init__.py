"""Experiments with arms and a verdict: one file per study, one YAML under configs/experiment."""

"""The figures of reports, each drawn from a run's files."""

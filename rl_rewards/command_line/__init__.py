"""Support for the programs that a person starts: arguments, ranges of numbers, help, exit codes and sweeps.

These modules are quick to import: none of them imports JAX before a run begins.
"""

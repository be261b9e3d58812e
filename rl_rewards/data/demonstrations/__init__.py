"""Demonstrations: whole episodes of someone who can do the task, read from a file or a Minari data set, and checked."""

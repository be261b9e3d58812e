"""A robot arm that puts a pencil case on a notebook, in MuJoCo and in MJX, seen by a tracker or by a camera."""

"""A car among others on a highway, for preferences about driving."""

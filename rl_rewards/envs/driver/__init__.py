"""A car beside another car on a highway, for preferences about driving."""

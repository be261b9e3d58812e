"""Figures, videos and the HTML report, from files alone."""

"""Blank figures for tests that read only a page's text: drawing would take four fifths of their time."""

import base64

import pytest
from matplotlib.figure import Figure

ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


@pytest.fixture
def blank_figures(request, monkeypatch):
    """Save every figure as a single pixel, except in tests with the marker ``drawn``."""
    if request.node.get_closest_marker("drawn") is None:
        monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: file.write(ONE_PIXEL))

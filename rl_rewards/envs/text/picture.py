"""A picture of a prompt and a response, for videos, reports and the page on which people answer."""

import textwrap
from functools import cache

import numpy as np

WIDTH, LINE, MARGIN, SIZE = 384, 18, 10, 13
"""Pixels: of the picture, between lines, around the text, and of the letters."""
LETTERS = 52
"""The most letters of a line; they are about 7 pixels wide."""
LETTERS_PER_TOKEN = 6.0
"""How many letters, with the space, a token is expected to have at most; it decides the height of the picture."""
MOST_LINES = 60


def draw_text(prompt: str, response: str, tokens: int) -> np.ndarray:
    """Return a picture [height, width, 3] uint8 of a prompt (grey) and a response (black), both wrapped.

    Args:
        tokens: the most tokens of both, so that all pictures of an environment have one height. What does not fit is
            left out, with dots in its place.
    """
    from PIL import Image, ImageDraw

    lines = min(MOST_LINES, 3 + int(np.ceil(tokens * LETTERS_PER_TOKEN / LETTERS)))
    asked, said = (textwrap.wrap(text, LETTERS) or ["(empty)"] for text in (prompt, response))
    shown = [(line, (110, 110, 110)) for line in asked] + [("", (0, 0, 0))] + [(line, (0, 0, 0)) for line in said]
    if len(shown) > lines:
        shown = [*shown[: lines - 1], ("...", (0, 0, 0))]
    image = Image.new("RGB", (WIDTH, 2 * MARGIN + lines * LINE), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for row, (line, colour) in enumerate(shown):
        pen.text((MARGIN, MARGIN + row * LINE), line, fill=colour, font=_font())
    return np.asarray(image)


@cache
def _font():
    from PIL import ImageFont

    return ImageFont.load_default(SIZE)

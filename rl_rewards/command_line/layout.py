"""Text in columns, as wide as the terminal."""

import re
import shutil
from collections.abc import Mapping
from textwrap import wrap

NARROWEST, WIDEST = 60, 100  # columns

_ROW = re.compile(r" *\S+ {2,}")


def width() -> int:
    """Return the columns to fill: those of the terminal, within limits; 80 where there is no terminal."""
    return min(WIDEST, max(NARROWEST, shutil.get_terminal_size((80, 24)).columns))


def table(rows: Mapping[str, str | list[str]]) -> list[str]:
    """Return lines for each row, name first and then its text, or the paragraphs of it, in a column of their own.

    A name that is too long stands on a line alone.
    """
    column = min(max(map(len, rows), default=0), width() // 2 - 4) + 4
    lines = []
    for name, text in rows.items():
        start = f"  {name}".ljust(column)
        if len(name) > column - 4 and text:
            lines.append(start)
            start = " " * column
        for paragraph in [text] if isinstance(text, str) else text:
            lines += filled(start, paragraph, " " * (column + hanging(paragraph)))
            start = " " * column
    return lines


def hanging(paragraph: str) -> int:
    """Return how far the lines after the first are indented: as the first, or as the text in a row of a table."""
    row = _ROW.match(paragraph)
    return len(paragraph) - len(paragraph.lstrip()) if row is None else row.end()


def filled(start: str, text: str, below: str = "") -> list[str]:
    """Return ``text`` in lines, ``start`` before the first and ``below`` before the others."""
    lines = wrap(text, width(), initial_indent=start, subsequent_indent=below, break_on_hyphens=False)
    return lines or [start.rstrip()]

"""Gives every section of a page an anchor, and lists the sections for the bar of contents."""

import itertools
import re
from typing import NamedTuple

from markupsafe import Markup

_HEADING = re.compile(r"<h2(?P<attributes>[^>]*)>(?P<title>.*?)</h2>", re.DOTALL)
_CHAPTER = 'class="chapter"'  # a page with chapters lists only these
_LONGEST = 28  # characters of a title in the bar


class Anchored(NamedTuple):
    """The content of a page, and its sections."""

    html: Markup
    links: list[tuple[str, Markup]]  # (anchor, title)


def with_anchors(html: str) -> Anchored:
    """Return ``html`` with an ``id`` for each heading of the second level, and the list for the bar of contents."""
    links: list[tuple[str, Markup]] = []
    numbers, chapters = itertools.count(1), _CHAPTER in html

    def anchored(found: re.Match) -> str:
        title = Markup(found["title"]).striptags()
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        anchor = f"{name}-{next(numbers)}"  # a number, because two studies may have the same heading
        short = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1].rstrip()}…"
        if not chapters or _CHAPTER in found["attributes"]:
            links.append((anchor, Markup.escape(short)))
        return f'<h2{found["attributes"]} id="{anchor}">{found["title"]}</h2>'

    return Anchored(Markup(_HEADING.sub(anchored, html)), links)

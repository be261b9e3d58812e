"""Gives every section of a page an anchor, and lists the sections for the bar of contents."""

import re
from typing import NamedTuple

from markupsafe import Markup

_HEADING = re.compile(r"<h2(?P<attributes>[^>]*)>(?P<title>.*?)</h2>", re.DOTALL)
_LONGEST = 28  # characters of a title in the bar


class Anchored(NamedTuple):
    """The content of a page, and its sections."""

    html: Markup
    links: list[tuple[str, Markup]]  # (anchor, title)


def with_anchors(html: str) -> Anchored:
    """Return ``html`` with an ``id`` for each heading of the second level, and the list of these headings."""
    links: list[tuple[str, Markup]] = []

    def anchored(found: re.Match) -> str:
        title = Markup(found["title"]).striptags()
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        anchor = f"{name}-{len(links) + 1}"  # a number, because two studies may have the same heading
        short = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1].rstrip()}…"
        links.append((anchor, Markup.escape(short)))
        return f'<h2{found["attributes"]} id="{anchor}">{found["title"]}</h2>'

    return Anchored(Markup(_HEADING.sub(anchored, html)), links)

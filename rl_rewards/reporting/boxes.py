"""What a page is made of above its figures: notices and tiles."""

from dataclasses import dataclass
from typing import Literal

HEADINGS = {
    "alarm": "The learned reward is being fooled",
    "collapse": "The task was learned and lost again",
    "failed": "The run failed",
}
"""What a box is, where its colour would otherwise have to say it."""


@dataclass(frozen=True)
class Notice:
    """A box under the headline."""

    kind: Literal["alarm", "collapse", "failed", "warning", "note"]
    text: str

    @property
    def heading(self) -> str:
        return HEADINGS.get(self.kind, "")


@dataclass(frozen=True)
class Tile:
    """One key number; ``colour`` is true, learned or plain."""

    label: str
    value: str
    note: str = ""
    colour: Literal["true", "learned", "plain"] = "plain"

"""The parts of a page above its figures: notices and tiles."""

from dataclasses import dataclass
from typing import Literal

HEADINGS = {
    "alarm": "The learned reward is being fooled",
    "collapse": "The task was learned and lost again",
    "failed": "The run failed",
}
"""Headings of the boxes, which say what the colour alone would not."""


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

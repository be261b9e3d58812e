"""The notices and tiles at the top of a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

HEADINGS = {
    "alarm": "The policy exploits the learned reward",
    "collapse": "The policy learned the task and lost it again",
    "failed": "The run failed",
}
"""Headings of the notices, so that colour alone carries no meaning."""


@dataclass(frozen=True)
class Notice:
    """A box under the headline."""

    kind: Literal["alarm", "collapse", "failed", "warning", "note"]
    text: str
    folded: Sequence[str] = ()  # sentences that are folded away

    @property
    def heading(self) -> str:
        return HEADINGS.get(self.kind, "")


@dataclass(frozen=True)
class Tile:
    """One key number; its colour says whether it is about the true reward, the learned reward, or neither."""

    label: str
    value: str
    note: str = ""
    colour: Literal["true", "learned", "plain"] = "plain"
    advice: str = ""  # what to try, beside a low number

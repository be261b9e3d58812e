"""Fast against gentle: two teachers of a driver who judge one objective each, and one policy that is told the weights.

One teacher likes progress along the road, the other little steering and gas. Speed is lost to friction, so that it
costs gas to stay fast, and the two conflict at every step. (Policies that are told weights: Abels et al. 2019,
arXiv:1809.07803.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.fronts import Front, draw_front, front_claims, in_lists, read_front

TRUE = ("progress_part_return", "gentleness_part_return")
"""The true objectives of every episode in an evaluation's file, means over its steps."""
HEADS = ("fast_part_return", "gentle_part_return")
"""What the reward models claim of it."""
NAMES = ("speed", "gentleness")


@dataclass(frozen=True, kw_only=True)
class FastGentle:
    """Compares one policy that is told weights with specialists.

    Args:
        reference: the progress and the gentleness above which the hypervolume is measured.
        margin: the least difference of either that counts, mean over the steps.
    """

    reference: Sequence[float]
    margin: float

    def __post_init__(self) -> None:
        told = f"study.reference={list(self.reference)} must be two numbers, a progress and a gentleness."
        require(len(self.reference) == 2, told)

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        front, claimed = read_front(arms, TRUE), read_front(arms, HEADS)
        return Findings(self.claims(front, claimed), {"true": in_lists(front), "heads": in_lists(claimed)})

    def claims(self, front: Front, claimed: Front) -> list[Claim]:
        """Claim what holds for all studies of two objectives; see :func:`~rl_rewards.studies.fronts.front_claims`."""
        first, second = self.reference
        return front_claims(front, claimed, (first, second), self.margin, NAMES)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        found = findings.details
        true, heads = (Front(**{name: np.array(one) for name, one in found[of].items()}) for of in ("true", "heads"))
        with styled():
            figure = canvas(9.4, 4.0)
            left, right = figure.subplots(1, 2)
            draw_front(left, true, {"stands still": (0.0, 0.0)})
            draw_front(right, heads, {})
            left.set(xlabel="progress, a second", ylabel="gentleness", title="the truth, means over steps")
            right.set(xlabel="speed", ylabel="gentleness", title="what the heads claim, returns")
            label_lines(right, characters=12)
            save(figure, path)

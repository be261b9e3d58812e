"""A back-flip from nine hundred comparisons: a task that is easy to recognise and hard to write a reward for.

(Christiano et al. 2017, arXiv:1706.03741, section 3.2: 900 queries to a person, less than an hour.) The person is a
synthetic teacher here, who prefers the clip that has turned farther backward.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, in_words, less
from rl_rewards.studies.drawing import draw_curves
from rl_rewards.studies.measures import SUCCESS, last_mean

RETURN = "eval/true_return"
TITLES = {
    "queries_900": "900 queries, never wrong",
    "queries_900_mistaken": "900 queries, one answer in ten wrong",
    "queries_100": "100 queries",
    "true_reward": "the true reward: angle turned",
}


@dataclass(frozen=True, kw_only=True)
class Backflip:
    """Judges the arms of configs/experiment/lecture/preferences/backflip.yaml."""

    target: float  # least share of episodes that turn a whole turn or more, net
    queries: int  # number that is enough

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        turned = {name: last_mean(run, RETURN) for name, run in arms.items()}
        return Findings(self.claims(success, turned), {"arms": _table(success, turned)})

    def claims(self, success: Mapping[str, list[float]], turned: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that flips are learned, and that wrong answers cost some of them.

        Args:
            success: share of episodes that turn at least once.
            turned: angle turned in an episode, in rad.
        """
        main = f"queries_{self.queries}"
        flips = at_least(
            f"From {self.queries} comparisons the plank learns to flip: at least {self.target:.0%} of episodes turn "
            "backward by a whole turn or more, net.",
            f"{in_words(success[main])} of episodes; {in_words(turned[main])} rad turned in one "
            f"(with the true reward {in_words(turned['true_reward'])}).",
            "mean share of episodes",
            success[main],
            self.target,
            {main: success[main]},
        )
        lost = less(turned[main], turned[f"{main}_mistaken"])
        mistaken = at_least(
            "One answer in ten that is wrong costs some of what is turned.",
            f"rad less turned: {in_words(lost)}.",
            "rad less turned, paired by seed",
            lost,
            PRACTICAL * float(np.mean(turned["true_reward"])),
            {main: turned[main], "mistaken": turned[f"{main}_mistaken"]},
        )
        return [flips, mistaken]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        draw_curves(
            arms,
            TITLES,
            [(SUCCESS, TRUE, "share that turns once or more")],
            path,
            columns=2,
            other_scale=("eval/learned_return", LEARNED, "learned return"),
        )


def _table(success: Mapping[str, list[float]], turned: Mapping[str, list[float]]) -> dict[str, dict]:
    return {name: {"success": mean_interval(success[name]), "turned": mean_interval(turned[name])} for name in success}

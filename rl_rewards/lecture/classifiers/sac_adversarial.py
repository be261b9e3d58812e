"""SAC with an adversarial classifier: does it learn ``point``, and do two settings make it worse with training?

Suspected: a terminal at success under a positive reward (hovering outside the goal pays more than finishing), and
negatives from recent data alone with many classifier steps (chasing and forgetting).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import LEARNED
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import (
    LAST,
    SUCCESS,
    THRESHOLD,
    best_mean,
    enough_seeds,
    in_words,
    last_mean,
    less,
    share_fallen,
)

NEEDED = 0.9
"""Share of seeds that must lie above the threshold."""

NAMES = {
    "as_it_is": "as it is",
    "terminal_at_success": "terminal at success, positive reward",
    "terminal_log_prob": "terminal at success, log D",
    "recent_negatives": "recent negatives, many classifier steps",
}
CURVES = (SUCCESS_CURVE, ("eval/prob_visited", LEARNED, "D, visited states"))


@dataclass(frozen=True, kw_only=True)
class SacAdversarial:
    """Judges the arms of configs/experiment/lecture/sac_adversarial.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        final = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        base = final["as_it_is"]
        claim = f"Success over the last {LAST} evaluations is above {THRESHOLD} in {NEEDED:.0%} of seeds."
        above = [success > THRESHOLD for success in base]
        learns = enough_seeds(claim, f"mean {in_words(base)}.", above, NEEDED, {"as_it_is": base})
        worse = (self._worse(name, arms[name], final) for name in ("terminal_at_success", "recent_negatives"))
        return Findings([learns, *worse, self._falls_back("recent_negatives", arms)])

    def _worse(self, name: str, run: RunFiles, final: Mapping[str, list[float]]) -> Verdict:
        """With the setting, success falls from its best evaluation on, and ends below that of the arm as it is."""
        loss = less(best_mean(run, SUCCESS), final[name])
        gap = less(final["as_it_is"], final[name])
        _, low, high = mean_interval(gap)
        return Verdict(
            claim=f"{NAMES[name].capitalize()}: ends below the arm as it is, and below its own best.",
            measured=f"{in_words(gap)} below the arm as it is; {in_words(loss)} below its own best evaluation.",
            holds=low > 0.0 and mean_interval(loss)[1] > 0.0,
            interval=(low, high),
            interval_of="success lost against the arm as it is, paired by seed",
            per_seed={name: final[name]},
        )

    def _falls_back(self, name: str, arms: Mapping[str, RunFiles]) -> Verdict:
        """Once learned, it is lost and learned again: more evaluations below the threshold than in the arm as it is."""
        share = {arm: share_fallen(arms[arm]) for arm in (name, "as_it_is")}
        more = less(share[name], share["as_it_is"])
        _, low, high = mean_interval(more)
        return Verdict(
            claim=f"{NAMES[name].capitalize()}: falls back below {THRESHOLD} more often, once above.",
            measured=(
                f"{np.mean(share[name]):.2f} of the evaluations against {np.mean(share['as_it_is']):.2f} as it is; "
                f"difference {in_words(more)}."
            ),
            holds=low > 0.0,
            interval=(low, high),
            interval_of="share of evaluations below the threshold, more than as it is, paired by seed",
            per_seed=share,
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        draw_curves(arms, NAMES, CURVES, path)

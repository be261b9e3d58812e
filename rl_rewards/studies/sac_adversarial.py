"""SAC with an adversarial classifier: does it learn ``point``, and do two settings make it worse with training?

Suspected: a terminal at success under a positive reward (hovering outside the goal pays more than finishing), and
negatives from recent data alone with many classifier steps (chasing and forgetting).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.drawing import LEARNED
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict, last_evaluations_mean, seeds_above
from rl_rewards.studies.drawing import SUCCESS_CURVE, draw_curves

SUCCESS = "eval/success"
LAST = 3
THRESHOLD = 0.8
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
        final = {name: last_evaluations_mean(run, SUCCESS, LAST) for name, run in arms.items()}
        base = final["as_it_is"]
        above, interval = seeds_above(base, THRESHOLD)
        claim = f"Success over the last {LAST} evaluations is above {THRESHOLD} in {NEEDED:.0%} of seeds."
        measured = f"{above} of {len(base)} seeds, mean {np.mean(base):.2f}."
        learns = Verdict(claim, measured, above >= NEEDED * len(base), interval, "share of seeds", {"as_it_is": base})
        worse = (self._worse(name, arms[name], final) for name in ("terminal_at_success", "recent_negatives"))
        return Findings([learns, *worse, self._falls_back("recent_negatives", arms)])

    def _worse(self, name: str, run: RunFiles, final: Mapping[str, list[float]]) -> Verdict:
        """With the setting, success falls from its best evaluation on, and ends below that of the arm as it is."""
        loss = [_best(run, i) - last for i, last in enumerate(final[name])]
        gap = [base - other for base, other in zip(final["as_it_is"], final[name], strict=True)]
        mean_loss, low, high = mean_interval(loss)
        mean_gap, gap_low, gap_high = mean_interval(gap)
        return Verdict(
            claim=f"{NAMES[name].capitalize()}: ends below the arm as it is, and below its own best.",
            measured=(
                f"{mean_gap:.2f} [{gap_low:.2f}, {gap_high:.2f}] below the arm as it is; {mean_loss:.2f} "
                f"[{low:.2f}, {high:.2f}] below its own best evaluation."
            ),
            holds=gap_low > 0.0 and low > 0.0,
            interval=(gap_low, gap_high),
            interval_of="success lost against the arm as it is, paired by seed",
            per_seed={name: final[name]},
        )

    def _falls_back(self, name: str, arms: Mapping[str, RunFiles]) -> Verdict:
        """Once learned, it is lost and learned again: more evaluations below the threshold than in the arm as it is."""
        share = {arm: [_share_fallen(arms[arm], i) for i in range(arms[arm].num_seeds)] for arm in (name, "as_it_is")}
        more = [other - base for other, base in zip(share[name], share["as_it_is"], strict=True)]
        mean, low, high = mean_interval(more)
        return Verdict(
            claim=f"{NAMES[name].capitalize()}: falls back below {THRESHOLD} more often, once above.",
            measured=(
                f"{np.mean(share[name]):.2f} of the evaluations against {np.mean(share['as_it_is']):.2f} as it is; "
                f"difference {mean:.2f} [{low:.2f}, {high:.2f}]."
            ),
            holds=low > 0.0,
            interval=(low, high),
            interval_of="share of evaluations below the threshold, more than as it is, paired by seed",
            per_seed={arm: share[arm] for arm in share},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings

        draw_curves(arms, NAMES, CURVES, path)


def _best(run: RunFiles, index: int) -> float:
    """The best mean over ``LAST`` evaluations in a row of one seed; a single lucky evaluation does not count."""
    series = [values(row, SUCCESS)[index] for row in run.evaluation_rows]
    return max(float(np.mean(series[i : i + LAST])) for i in range(len(series) - LAST + 1))


def _share_fallen(run: RunFiles, index: int) -> float:
    """Share of one seed's evaluations below ``THRESHOLD`` after its first above; 1 when it never got there."""
    series = np.array([values(row, SUCCESS)[index] for row in run.evaluation_rows])
    above = np.flatnonzero(series > THRESHOLD)
    if above.size == 0:
        return 1.0
    return float(np.mean(series[above[0] :] <= THRESHOLD))

"""Five iterations with the learned reward rising and success at zero: the lecture's diagnosis, and its three fixes.

An iteration is one update of the classifier and the RL until the next one. The lecture's trace: learned reward .3 .5 .6
.7 .8, success 0 throughout. Its fixes: more RL per update, all visited states as negatives, an ensemble.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, enough_seeds, in_words, less
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import LEARNED, SUCCESS, last_mean, series

ITERATIONS = 5
RISING, NO_SUCCESS, NEEDED = 0.8, 0.05, 0.9
TITLES = {
    "as_it_is": "final states alone, one classifier",
    "more_rl": "fix 1: five times the RL per update",
    "all_states": "fix 2: all visited states",
    "ensemble": "fix 3: the least of five classifiers",
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Judges the arms of configs/experiment/lecture/classifiers/diagnosis.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        learned, success = (_trace(arms["as_it_is"], key) for key in (LEARNED, SUCCESS))
        over_training = {name: series(run, SUCCESS).mean(axis=0).tolist() for name, run in arms.items()}
        at_end = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        claims = [symptom(_rank_correlation(learned), success.mean(axis=0).tolist(), learned.mean(axis=1).tolist())]
        claims += [fix(name, over_training, at_end) for name in arms if name != "as_it_is"]
        means = {"learned reward": learned.mean(axis=1).tolist(), "success": success.mean(axis=1).tolist()}
        return Findings(claims, {"trace": means})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        draw_curves(arms, TITLES, [SUCCESS_CURVE, REWARD_CURVE], path)


def _trace(run: RunFiles, key: str) -> np.ndarray:
    """Return a metric [iterations, seeds] at the end of each of the first iterations."""
    return series(run, key)[:ITERATIONS]


def _rank_correlation(learned: np.ndarray) -> list[float]:
    from scipy import stats

    return [float(stats.spearmanr(range(len(one)), one)[0]) for one in learned.T]


def symptom(rank: list[float], success: list[float], trace: list[float]) -> Claim:
    """Claim that the learned reward rises without success; ``trace`` is its mean over seeds at each iteration."""
    listed = ", ".join(f"{value:.2f}" for value in trace)
    return enough_seeds(
        f"Over the first {ITERATIONS} iterations the learned reward rises (rank correlation above {RISING}) while "
        f"mean success is below {NO_SUCCESS:.0%}, in {NEEDED:.0%} of seeds.",
        f"learned reward {listed}; rank correlation {in_words(rank)}; success {in_words(success)}.",
        [rho > RISING and rate < NO_SUCCESS for rho, rate in zip(rank, success, strict=True)],
        NEEDED,
        {"rank correlation": rank, "success": success},
    )


def fix(name: str, over_training: Mapping[str, list[float]], at_end: Mapping[str, list[float]]) -> Claim:
    both = {arm: over_training[arm] for arm in ("as_it_is", name)}
    more = less(over_training[name], over_training["as_it_is"])
    return at_least(
        f"{TITLES[name][0].upper()}{TITLES[name][1:]}: alone, it brings more success over training.",
        f"{in_words(more)} more; at the end {in_words(at_end[name])} against {in_words(at_end['as_it_is'])}.",
        "mean success over all evaluations, more than as it is, paired by seed",
        more,
        PRACTICAL,
        both,
    )

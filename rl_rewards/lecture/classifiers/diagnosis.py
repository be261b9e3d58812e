"""Five iterations with the learned reward rising and success at zero: the lecture's diagnosis, and its three fixes.

An iteration is one update of the classifier and the RL until the next one. The lecture's trace: learned reward .3 .5 .6
.7 .8, success 0 throughout. Its fixes: more RL per update, all visited states as negatives, an ensemble.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import LEARNED, SUCCESS, enough_seeds, in_words, last_mean, less, series

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
    """Judges the arms of configs/experiment/lecture/diagnosis.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        learned, success = (_trace(arms["as_it_is"], key) for key in (LEARNED, SUCCESS))
        verdicts = [_symptom(learned, success), *(_fix(arms, name) for name in arms if name != "as_it_is")]
        means = {"learned reward": learned.mean(axis=1).tolist(), "success": success.mean(axis=1).tolist()}
        return Findings(verdicts, {"trace": means})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        draw_curves(arms, TITLES, [SUCCESS_CURVE, REWARD_CURVE], path)


def _trace(run: RunFiles, key: str) -> np.ndarray:
    """[iterations, seeds] at the end of each of the first iterations."""
    return series(run, key)[:ITERATIONS]


def _symptom(learned: np.ndarray, success: np.ndarray) -> Verdict:
    from scipy import stats

    rank = [float(stats.spearmanr(range(len(one)), one)[0]) for one in learned.T]
    mean = success.mean(axis=0).tolist()
    shown = [rho > RISING and rate < NO_SUCCESS for rho, rate in zip(rank, mean, strict=True)]
    trace = ", ".join(f"{value:.2f}" for value in learned.mean(axis=1))
    return enough_seeds(
        f"Over the first {ITERATIONS} iterations the learned reward rises (rank correlation above {RISING}) while "
        f"mean success is below {NO_SUCCESS:.0%}, in {NEEDED:.0%} of seeds.",
        f"learned reward {trace}; rank correlation {in_words(rank)}; success {in_words(mean)}.",
        shown,
        NEEDED,
        {"rank correlation": rank, "success": mean},
    )


def _fix(arms: Mapping[str, RunFiles], name: str) -> Verdict:
    over_training = {arm: series(arms[arm], SUCCESS).mean(axis=0).tolist() for arm in ("as_it_is", name)}
    gained = less(over_training[name], over_training["as_it_is"])
    at_end = {arm: last_mean(arms[arm], SUCCESS) for arm in ("as_it_is", name)}
    _, low, high = mean_interval(gained)
    return Verdict(
        f"{TITLES[name][0].upper()}{TITLES[name][1:]}: alone, it brings more success over training.",
        f"{in_words(gained)} more; at the end {in_words(at_end[name])} against {in_words(at_end['as_it_is'])}.",
        low > 0.0,
        (low, high),
        "mean success over all evaluations, more than as it is, paired by seed",
        over_training,
    )

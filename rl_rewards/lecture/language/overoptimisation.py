"""Over-optimisation of a reward model: by its number of comparisons, of ensembles, and the signals that warn of it.

Gao et al. 2023 (arXiv:2210.10760) fit gold - gold_0 = d (a - b log d) to RL, and d (a - b d) to the best of n, where d
is the square root of the KL divergence from the start. Coste et al. 2023 (arXiv:2310.02743) pay the lowest member of
an ensemble, or its mean minus its variance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from rl_rewards.lecture.language.measures import (
    BETTER,
    FALL,
    GOLD,
    KL,
    at_evaluations,
    at_the_end,
    best,
    draw_path,
    evaluated_rounds,
)
from rl_rewards.reporting.figures.drawing import FAILURE, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas, draw_seeds, save
from rl_rewards.studies.measures import last_mean, over_rounds, series

COMPARISONS = {"no_penalty_100": 100, "no_penalty": 1000, "no_penalty_3000": 3000}
ENSEMBLES = {
    "no_penalty": "one",
    "no_penalty_mean": "mean of three",
    "no_penalty_min": "lowest of three",
    "no_penalty_less_variance": "mean minus variance",
}
CAREFUL = {
    "no_penalty_min": "The lowest of three reward models leaves",
    "no_penalty_less_variance": "The mean of three reward models minus their variance leaves",
}
"""Arms that pay an ensemble with care, and the beginnings of their claims."""
REWARDS = {"no_penalty_100": "reward_100", "no_penalty": "reward_model", "no_penalty_3000": "reward_3000"}
CONTROL = "rlhf"
WATCHED = ("no_penalty", CONTROL)
"""The arms in which a signal must warn in time where gold falls, and must not warn where it does not."""
SIGNALS = {
    "KL divergence above 5": ("agent/reference_kl", 5.0, 1.0),
    "entropy below 0.38": ("agent/entropy", 0.38, -1.0),
    "share of repeated trigrams above 0.06": ("agent/repetition", 0.06, 1.0),
    "share of unique responses below 0.8": ("agent/unique_responses", 0.8, -1.0),
    "accuracy on the policy's own pairs below 0.475": ("train/same_start_accuracy", 0.475, -1.0),
}
"""A metric of training, a threshold, and 1 if it is exceeded or -1 if it is undercut; only the last needs gold.

The thresholds were chosen on development seeds 0 to 2: none fired there under a KL penalty where gold stayed. Those of
repetition, unique responses and accuracy could have been somewhat more sensitive. No threshold of any signal was right
in both arms in more than one of these seeds.
"""
IN_A_ROW = 3
"""Rounds in a row beyond its threshold after which a signal fires."""
RL_FORM, BEST_OF_N_FORM = "d (a - b log d)", "d (a - b d)"


@dataclass(frozen=True, kw_only=True)
class OverOptimisation:
    """Compares RL without a penalty against reward models of several kinds."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        policies = list(dict.fromkeys([*COMPARISONS, *ENSEMBLES]))
        gold = {name: last_mean(arms[name], GOLD) for name in (*policies, CONTROL)}
        highest = {name: best(series(arms[name], GOLD)).tolist() for name in policies}
        start = last_mean(arms["sft"], GOLD, 1)
        warned = {name: _warned(arms, signal) for name, signal in SIGNALS.items()}
        accuracy = {name: at_the_end(arms[of], "reward/heldout_accuracy") for name, of in REWARDS.items()}
        far = at_evaluations(arms["no_penalty"], KL)
        fits = fitted(np.sqrt(np.maximum(far, 0.0)), series(arms["no_penalty"], GOLD) - np.array(start))
        curves = {name: series(arms[name], GOLD).tolist() for name in policies}
        fires = {name: _fires(arms["no_penalty"], *signal) for name, signal in SIGNALS.items()}
        falls = _falls(arms["no_penalty"])
        when = {name: f"{_when(one, 'it fires')}; {_when(falls, 'gold has fallen')}" for name, one in fires.items()}
        details = {
            "gold": gold,
            "best": highest,
            "accuracy": accuracy,
            "warned": warned,
            "fires": {name: _or_none(one) for name, one in fires.items()},
            "falls": _or_none(falls),
            "fits": fits,
            "curves": curves,
        }
        return Findings(self.claims(gold, highest, warned, when, fits), details)

    def claims(
        self,
        gold: Mapping[str, list[float]],
        highest: Mapping[str, list[float]],
        warned: Mapping[str, list[float]],
        when: Mapping[str, str],
        fits: Mapping[str, list[float]],
    ) -> list[Claim]:
        """Claim that gold falls for every reward model, later with more comparisons and for ensembles.

        Args:
            gold: arm -> mean gold at the end, of each seed.
            highest: arm -> its best gold, of each seed.
            warned: signal -> 1 for each seed in which it warns in time and never without need.
            when: signal -> the rounds in which it fires and gold falls, in words.
            fits: form -> share of the variance of gold that it explains, of each seed.
        """
        fell = {name: np.array(highest[name]) - np.array(gold[name]) for name in highest}
        falling = [
            enough_seeds(
                f"Against a reward model from {n:,} comparisons gold ends {FALL:g} or more below its best, in at least "
                "90% of seeds.",
                f"gold {in_words(highest[name])} at its best, {in_words(gold[name])} at the end.",
                (fell[name] >= FALL).tolist(), 0.9, {"best": highest[name], "end": gold[name]},
            )
            for name, n in COMPARISONS.items()
        ]  # fmt: skip
        few, many = (highest[name] for name in ("no_penalty_100", "no_penalty_3000"))
        rl, other = fits[RL_FORM], fits[BEST_OF_N_FORM]
        return [
            *falling,
            at_least(
                f"3,000 comparisons allow a higher best gold than 100, by {BETTER:g} or more.",
                f"{in_words(many)} against {in_words(few)}; {in_words(less(many, few))} more.",
                "gold more at its best, paired by seed", less(many, few), BETTER, {"100": few, "3000": many},
            ),
            *(self._saved(gold, name) for name in CAREFUL),
            at_least(
                f"{RL_FORM} explains at least 80% of the variance of gold over training.",
                f"{in_words(rl)}; {BEST_OF_N_FORM} explains {in_words(other)}.",
                "share of the variance", rl, 0.8, dict(fits),
            ),
            *(
                enough_seeds(
                    f"The signal '{name}' fires before gold has fallen by {FALL:g}, and not where gold stays, with and "
                    "without a KL penalty, in at least 80% of seeds.",
                    f"without a penalty {when[name]}.",
                    [bool(one) for one in found], 0.8, {name: found},
                )
                for name, found in warned.items()
            ),
        ]  # fmt: skip

    def _saved(self, gold: Mapping[str, list[float]], name: str) -> Claim:
        """Claim that a careful use of an ensemble leaves more gold than one reward model."""
        more = less(gold[name], gold["no_penalty"])
        return at_least(
            f"{CAREFUL[name]} more gold at the end than one model, by {BETTER:g} or more.",
            f"{in_words(gold[name])} against {in_words(gold['no_penalty'])} (the mean of three: "
            f"{in_words(gold['no_penalty_mean'])}); {in_words(more)} more.",
            "gold more, paired by seed", more, BETTER, {one: gold[one] for one in ENSEMBLES},
        )  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        curves, colours = findings.details["curves"], (OTHER, TRUE, LEARNED, FAILURE)
        groups = {
            "by number of comparisons": {name: f"{n:,}" for name, n in COMPARISONS.items()},
            "1,000 comparisons, ensembles": ENSEMBLES,
        }
        with styled():
            figure = canvas(10.0, 3.6)
            *panels, paths = figure.subplots(1, 3, sharey=True)
            for axes, (title, group) in zip(panels, groups.items(), strict=True):
                for (name, words), colour in zip(group.items(), colours, strict=False):
                    draw_seeds(axes, evaluated_rounds(arms[name]), np.array(curves[name]), colour, words)
                axes.set(xlabel="rounds of RL", title=title)
            for (name, n), colour in zip(COMPARISONS.items(), colours, strict=False):
                draw_path(paths, arms[name], colour, f"{n:,}")
            panels[0].set(ylabel="gold")
            paths.set(xlabel="distance from fine-tuning, √KL", title="against distance, means")
            label_lines(*panels, paths)
            save(figure, path)


def _warned(arms: Mapping[str, RunFiles], signal: tuple[str, float, float]) -> list[float]:
    """Return 1 for each seed in which a signal fires before gold falls, and does not fire where gold never falls."""
    return np.all([rightly(_fires(arms[name], *signal), _falls(arms[name])) for name in WATCHED], axis=0).tolist()


def rightly(fires: Float[np.ndarray, " seeds"], falls: Float[np.ndarray, " seeds"]) -> Bool[np.ndarray, " seeds"]:
    """Return where a signal warns in time, or never where there is nothing to warn of; both are rounds or infinity."""
    return np.where(np.isinf(falls), np.isinf(fires), fires < falls)


def _fires(run: RunFiles, key: str, level: float, side: float) -> Float[np.ndarray, " seeds"]:
    return fires_at(side * (over_rounds(run, key) - level) > 0)


def _falls(run: RunFiles) -> Float[np.ndarray, " seeds"]:
    return falls_at(series(run, GOLD), evaluated_rounds(run))


def _when(rounds: Float[np.ndarray, " seeds"], words: str) -> str:
    """Return the median round in words, with the number of seeds that have one."""
    found = rounds[np.isfinite(rounds)]
    some = f"{words} in {len(found)} of {len(rounds)} seeds"
    return f"{some}, at round {np.median(found):g} (median)" if len(found) else some


def _or_none(rounds: Float[np.ndarray, " seeds"]) -> list[float | None]:
    """Return the rounds as JSON has them, with None for infinity."""
    return [float(one) if np.isfinite(one) else None for one in rounds]


def falls_at(gold: Float[np.ndarray, "evaluations seeds"], rounds: Sequence[int]) -> Float[np.ndarray, " seeds"]:
    """Return the round of the first evaluation that is ``FALL`` below the best one before it; infinite for never."""
    below = np.maximum.accumulate(gold, axis=0) - gold >= FALL
    return np.where(below.any(axis=0), np.asarray(rounds, float)[below.argmax(axis=0)], np.inf)


def fires_at(beyond: Bool[np.ndarray, "rounds seeds"]) -> Float[np.ndarray, " seeds"]:
    """Return the first round, counted from 1, that is the ``IN_A_ROW``-th beyond a threshold; infinite for none."""
    runs = np.lib.stride_tricks.sliding_window_view(beyond, IN_A_ROW, axis=0).all(axis=-1)
    return np.where(runs.any(axis=0), runs.argmax(axis=0) + float(IN_A_ROW), np.inf)


def fitted(far: Float[np.ndarray, "t seeds"], gained: Float[np.ndarray, "t seeds"]) -> dict[str, list[float]]:
    """Return form -> the share of the variance of ``gained`` that its least-squares fit explains, of each seed.

    Args:
        far: the square root of the KL divergence.
        gained: gold minus that at the start.
    """
    shares: dict[str, list[float]] = {RL_FORM: [], BEST_OF_N_FORM: []}
    for d, found in zip(far.T, gained.T, strict=True):
        d = np.maximum(d, 1e-3)
        for form, second in ((RL_FORM, d * np.log(d)), (BEST_OF_N_FORM, d * d)):
            terms = np.stack([d, -second], axis=1)
            left = found - terms @ np.linalg.lstsq(terms, found, rcond=None)[0]
            shares[form].append(float(1.0 - np.sum(left**2) / np.sum((found - found.mean()) ** 2)))
    return shares

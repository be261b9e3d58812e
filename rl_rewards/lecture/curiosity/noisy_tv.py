"""The noisy television: static earns a bonus for prediction error for ever, but not one for disagreement.

(Burda et al. 2019, arXiv:1808.04355, section 5; Pathak et al. 2019, arXiv:1906.04161.) Beyond the lecture,
it runs long: what does disagreement do once everything else is explored?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, gained, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import over_rounds

ERROR, DISAGREEMENT, WIDE, NO_BONUS = "prediction_error", "disagreement", "wide_screen", "no_bonus"
STYLES = {
    ERROR: ("#D55E00", "prediction error"),
    "icm": ("#E69F00", "ICM"),
    "rnd": ("#56B4E9", "RND"),
    DISAGREEMENT: ("#0072B2", "disagreement"),
    WIDE: ("#CC79A7", "disagreement, wider screen"),
    NO_BONUS: ("#777777", "no bonus"),
}
SKIPPED = 10
"""Rounds at the start, in which networks still learn what a screen is; they are left out of a bonus's exponent."""
STAYS, LIKE_ONE_OVER_N = -0.1, -0.8
"""The least exponent of a bonus that stays, and the greatest of one that falls."""


@dataclass(frozen=True, kw_only=True)
class NoisyTv:
    """Judges the arms of configs/experiment/lecture/curiosity/noisy_tv.yaml."""

    episodes: int
    error_below: float
    disagreement_above: float

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        coverage = {name: self._coverage(run) for name, run in arms.items()}
        slopes = {name: _slopes(arms[name]) for name in (ERROR, DISAGREEMENT)}
        late = {name: _share_at_television(run) for name, run in arms.items()}
        claims = self.claims(coverage, slopes, late)
        table = {
            name: {
                f"coverage_after_{self.episodes}": mean_interval(coverage[name]),
                "coverage_at_the_end": mean_interval(over_rounds(run, _key(run, "coverage"))[-1].tolist()),
                "at_television_last_third": mean_interval(late[name]),
            }
            for name, run in arms.items()
        }
        return Findings(claims, {"arms": table, "exponents": slopes})

    def claims(
        self, coverage: Mapping[str, list[float]], slopes: Mapping[str, list[float]], late: Mapping[str, list[float]]
    ) -> list[Claim]:
        """Claim what each bonus does.

        Args:
            coverage: share of the cells after ``episodes`` episodes.
            slopes: exponents of :func:`_slopes`.
            late: share of steps at the television in the last third of training.
        """
        after = f"After {self.episodes} episodes"
        end = "In the last third of a long run"
        return [
            self._bounded(coverage, ERROR, self.error_below, below=True),
            self._bounded(coverage, DISAGREEMENT, self.disagreement_above, below=False),
            _compared(
                f"{after} disagreement has covered more cells than prediction error.",
                "share of cells gained",
                coverage,
                DISAGREEMENT,
                ERROR,
            ),
            _compared(
                f"{after} disagreement has covered fewer cells where the static, of the same variance, is eight "
                "numbers instead of one.",
                "share of cells lost",
                coverage,
                DISAGREEMENT,
                WIDE,
            ),
            _falls(
                slopes[ERROR], "prediction error at the television stays (exponent of visits above -.1).", STAYS, True
            ),
            _falls(
                slopes[DISAGREEMENT],
                "disagreement at the television falls like 1/n (exponent below -.8).",
                LIKE_ONE_OVER_N,
                False,
            ),
            _compared(
                f"{end} prediction error keeps the agent at the television more than it is there without a bonus.",
                "share of steps more",
                late,
                ERROR,
                NO_BONUS,
            ),
            _compared(
                f"{end}, all else explored, disagreement still keeps the agent at the television less than prediction "
                "error does.",
                "share of steps less",
                late,
                ERROR,
                DISAGREEMENT,
            ),
        ]

    def _coverage(self, run: RunFiles) -> list[float]:
        """Return the share of the cells seen after ``episodes`` episodes, of each seed."""
        steps = [row["env_steps"] for row in run.rows]
        wanted = self.episodes * int(run.spec["max_episode_steps"])
        at = next((i for i, step in enumerate(steps) if step >= wanted), len(steps) - 1)
        return over_rounds(run, _key(run, "coverage"))[at].tolist()

    def _bounded(self, coverage: Mapping[str, list[float]], name: str, bound: float, below: bool) -> Claim:
        word = "less" if below else "more"
        return (at_most if below else at_least)(
            f"After {self.episodes} episodes {STYLES[name][1]} has covered {word} than {bound:g} of the cells.",
            f"{in_words(coverage[name])}; without a bonus {in_words(coverage[NO_BONUS])}.",
            "mean share of cells",
            coverage[name],
            bound,
            {name: coverage[name]},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(10.0, 3.3)
            covered, bonus, watched = figure.subplots(1, 3)
            for name, run in arms.items():
                colour, label = STYLES[name]
                episodes = np.array([row["env_steps"] for row in run.rows]) / int(run.spec["max_episode_steps"])
                for axes, found in (
                    (covered, over_rounds(run, _key(run, "coverage"))),
                    (watched, _smooth(_watching(run))),
                ):
                    axes.plot(episodes, found, color=colour, linewidth=0.4, alpha=0.25)
                    axes.plot(episodes, found.mean(axis=1), color=colour, linewidth=2.0, label=label)
                if name != NO_BONUS:
                    visits = over_rounds(run, _key(run, "television_visits"))
                    paid = over_rounds(run, _key(run, "bonus_television"))
                    bonus.plot(np.maximum(visits, 1), paid, ".", color=colour, markersize=1.5, alpha=0.5)
            covered.axvline(self.episodes, color="#999999", linewidth=1.0, linestyle=":")
            covered.set(title="cells seen so far", xlabel="episodes", ylabel="share", xscale="log", ylim=(-0.02, 1.02))
            bonus.set(title="bonus at the television", xlabel="steps spent there", xscale="log", yscale="log")
            watched.set(title="steps at the television", xlabel="episodes", ylabel="share", ylim=(-0.02, 1.02))
            handles, labels = covered.get_legend_handles_labels()  # for all panels: points have no ends to be named at
            figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9)
            save(figure, path)


def _key(run: RunFiles, name: str) -> str:
    """Return the key of a metric of curiosity, which a mixture logs under its part's name."""
    keys = run.rows[-1].keys()
    return next(key for key in (f"reward/{name}", f"reward/bonus/{name}") if key in keys)


def _watching(run: RunFiles) -> np.ndarray:
    """Return the share of each round's steps [rounds, seeds] that ended before the television."""
    visits = over_rounds(run, _key(run, "television_visits"))
    steps = np.diff([0, *(row["env_steps"] for row in run.rows)])
    return np.diff(visits, axis=0, prepend=0.0) / steps[:, None]


def _share_at_television(run: RunFiles) -> list[float]:
    watching = _watching(run)
    return watching[-len(watching) // 3 :].mean(axis=0).tolist()


def _slopes(run: RunFiles) -> list[float]:
    """Fit the exponent p of bonus ~ visits^p at the television, of each seed, by least squares of the logarithms."""
    visits = over_rounds(run, _key(run, "television_visits"))[SKIPPED:]
    paid = over_rounds(run, _key(run, "bonus_television"))[SKIPPED:]
    found = []
    for n, bonus in zip(visits.T, paid.T, strict=True):
        known = np.isfinite(bonus) & (bonus > 0.0) & (n > 0.0)
        enough = known.sum() > 2 and np.ptp(n[known]) > 0.0
        found.append(float(np.polyfit(np.log(n[known]), np.log(bonus[known]), 1)[0]) if enough else float("nan"))
    return [value for value in found if np.isfinite(value)]


def _compared(claim: str, what: str, found: Mapping[str, list[float]], more: str, fewer: str) -> Claim:
    """Claim that the arm ``more`` has more than the arm ``fewer``."""
    return gained(claim, what, less(found[more], found[fewer]), {name: found[name] for name in (more, fewer)})


def _falls(slopes: list[float], claim: str, bound: float, above: bool) -> Claim:
    return (at_least if above else at_most)(
        f"The bonus of {claim}",
        f"exponent {in_words(slopes)} over {len(slopes)} seeds that watched enough to tell."
        if slopes
        else "no seed watched enough to tell.",
        "mean exponent",
        slopes,
        bound,
        {"exponent": slopes},
    )


def _smooth(found: np.ndarray, width: int = 10) -> np.ndarray:
    """Return a running mean over rounds, for drawing; its window is cut at both ends."""
    kernel = np.ones(width)
    rounds = np.convolve(np.ones(len(found)), kernel, mode="same")
    return np.apply_along_axis(lambda one: np.convolve(one, kernel, mode="same") / rounds, 0, found)

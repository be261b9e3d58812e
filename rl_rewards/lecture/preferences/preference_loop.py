"""Are hundreds of comparisons worth the true reward, and must they be asked while the policy learns?

(Christiano et al. 2017, arXiv:1706.03741, figures 1 and 5: 700 synthetic labels nearly match the true reward, 1400 do
as well or better, and labels that are all asked at the start do not.) Score: 0 is an untrained policy's true return, 1
that of the same algorithm with the true reward.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import OTHER, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, gained, in_words, less
from rl_rewards.studies.drawing import canvas, count_steps, draw_mean, save
from rl_rewards.studies.measures import last_mean, series

RETURN = "eval/true_return"
TRUE_ARM, OFFLINE = "true_reward", "labels_700_offline"
STYLES = {TRUE_ARM: ("#555555", "-"), OFFLINE: ("#CC79A7", "--")}
SHADES = ("#9ECAE1", "#4292C6", "#08519C")


@dataclass(frozen=True, kw_only=True)
class PreferenceLoop:
    """Judges the arms of one file in configs/experiment/lecture/preferences/preference_loop/."""

    row: str
    target: float  # score that counts as enough
    judged: int = 700  # number of labels for which the target is claimed

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        returns = {name: last_mean(run, RETURN) for name, run in arms.items()}
        untrained = float(series(arms[TRUE_ARM], RETURN)[0].mean())
        best = float(np.mean(returns[TRUE_ARM]))
        scores = {name: [(x - untrained) / (best - untrained) for x in found] for name, found in returns.items()}
        table = {name: {"return": mean_interval(returns[name]), "score": mean_interval(scores[name])} for name in arms}
        asked = {name: _labels(run) for name, run in arms.items() if name != TRUE_ARM}
        return Findings(
            self.claims(scores), {"untrained": untrained, "true_reward": best, "arms": table, "labels": asked}
        )

    def claims(self, scores: Mapping[str, list[float]]) -> list[Claim]:
        """Claim what labels are worth, by the scores of every arm."""
        counts = sorted(int(name.removeprefix("labels_")) for name in scores if name.removeprefix("labels_").isdigit())
        few, many = f"labels_{counts[0]}", f"labels_{counts[-1]}"
        judged = scores[f"labels_{self.judged}"]
        return [
            at_least(
                f"{self.row}: with {self.judged} labels the score is at least {self.target:g}.",
                f"{in_words(judged)} (0: untrained, 1: the true reward).",
                "mean score",
                judged,
                self.target,
                {f"labels_{self.judged}": judged},
            ),
            gained(
                f"{self.row}: {self.judged} labels asked while the policy learns are worth more than as many asked at "
                "the start.",
                "score gained",
                less(judged, scores[OFFLINE]),
                {"online": judged, "offline": scores[OFFLINE]},
            ),
            gained(
                f"{self.row}: {counts[-1]} labels are worth more than {counts[0]}.",
                "score gained",
                less(scores[many], scores[few]),
                {few: scores[few], many: scores[many]},
            ),
        ]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        shades = iter(SHADES)
        with styled():
            figure = canvas(7.2, 4.0)
            axes = figure.subplots()
            for name, run in arms.items():
                colour, line = STYLES[name] if name in STYLES else (next(shades), "-")
                steps = [row["env_steps"] for row in run.evaluation_rows]
                draw_mean(axes, steps, series(run, RETURN), colour, name.replace("_", " "), line)
            axes.axhline(findings.details["untrained"], color=OTHER, linestyle=":", label="untrained")
            axes.set(ylabel="true return", title=f"{self.row}: mean over seeds and 95% interval")
            count_steps(axes)
            label_lines(axes)
            save(figure, path)


def _labels(run: RunFiles) -> list[float]:
    """Return how many answers every seed had at the end, ties included."""
    return np.atleast_1d(run.rows[-1]["reward/labels"]).tolist()

"""The main job and its baselines: is the task learned from examples alone, and is it kept?

The main job is the adversarial classifier with negatives by places. Its baselines are negatives by visits, the fixed
classifier and the true sparse reward; one more arm has twice the env steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.lecture.classifiers.stability import arm_numbers, ends_well, keeps_the_task, lost_after_mastery
from rl_rewards.reporting.figures.drawing import ALARM, GOALS, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import more_than
from rl_rewards.studies.drawing import canvas, count_steps, draw_mean, save
from rl_rewards.studies.measures import SUCCESS, last_mean, series

MAIN, LONGER = "adversarial_classifier", "longer"
STYLES = {
    MAIN: ("adversarial classifier", TRUE),
    "visits": ("negatives by visits", GOALS),
    "goal_classifier": ("fixed classifier", ALARM),
    "environment": ("true sparse reward", OTHER),
}
OTHERS = {
    "visits": "negatives by visits",
    "goal_classifier": "a fixed classifier",
    "environment": "the true sparse reward",
}
PANELS = (
    (SUCCESS, "true success (share of episodes)", "What really happens"),
    ("eval/learned_reward_final", "learned reward", "What the classifier believes (in final states)"),
)


@dataclass(frozen=True, kw_only=True)
class MainJob:
    """Judges the arms of configs/experiment/lecture/classifiers/main_job.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        end = {name: last_mean(run, SUCCESS, 1) for name, run in arms.items()}
        claims = [ends_well(MAIN, end[MAIN])]
        claims += [
            more_than(
                f"The main job ends with more success than with {OTHERS.get(name, name)}.", end, MAIN, name, "success"
            )
            for name in arms
            if name not in (MAIN, LONGER)
        ]
        if LONGER in arms:
            claims.append(keeps_the_task(LONGER, lost_after_mastery(arms[LONGER])))
        return Findings(claims, {name: arm_numbers(run) for name, run in arms.items()})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        """Draw true success and learned reward over env steps: means over seeds and their 95% intervals."""
        del findings
        with styled():
            figure = canvas(10.0, 3.6)
            panels = figure.subplots(1, 2)
            for axes, (key, label, title) in zip(panels, PANELS, strict=True):
                for name, (words, colour) in STYLES.items():
                    if name not in arms or (key != SUCCESS and name == "environment"):
                        continue
                    steps = [float(np.max(row["env_steps"])) for row in arms[name].evaluation_rows]
                    draw_mean(axes, steps, series(arms[name], key), colour, words)
                axes.set(ylabel=label, ylim=(-0.02, 1.02), title=title)
                count_steps(axes)
            label_lines(*panels, characters=12)
            save(figure, path)

"""The lecture's robot: 26% of successes by imitating fifty demonstrations, 62% with a learned classifier on top.

Its recipe (MEDAL++, Sharma et al. 2023, arXiv:2303.01488): final states of demonstrations as success examples,
demonstrations in every batch, a cloning term in the actor's loss, and a regularised classifier that is updated. Here
each part is also left out alone. Recipe and cloning also get less: one demonstration, or, in a separate experiment,
pictures instead of a tracker's numbers; and other demonstrators, who leave the case elsewhere behind the notebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.envs.pencil_case.layout import GOAL_DEPTH
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, in_words, less
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import SUCCESS, final_scenes, last_mean, series

LEFT_OUT = {
    "no_regulariser": "its classifier's regularisers",
    "no_demonstrations": "demonstrations in its batches and the cloning term",
    "no_adversary": "updates of its classifier",
}
GIVEN = {
    ("recipe", "cloning"): "fifty demonstrations",
    ("recipe_of_second", "cloning_of_second"): "fifty demonstrations of a second demonstrator",
    ("recipe_of_third", "cloning_of_third"): "fifty demonstrations of a third demonstrator",
    ("recipe_of_fourth", "cloning_of_fourth"): "fifty demonstrations of a fourth demonstrator",
    ("recipe_1", "cloning_1"): "one demonstration",
    ("recipe_pictures", "cloning_pictures"): "fifty demonstrations in pictures",
}
"""The data that both arms had."""
CASE_Y = 1
"""The column of the case's y in a scene of pencil_case."""
LAST_EVALUATIONS = 5
GAIN, SPREAD = 0.25, 2.0
"""The least gain of success over cloning, and the least ratio of its spread without regularisers to that with them."""


@dataclass(frozen=True, kw_only=True)
class RobotRecipe:
    """Judges the arms of configs/experiment/lecture/classifiers/robot_recipe.yaml, or of robot_recipe_pictures.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        success = {name: last_mean(run, SUCCESS, LAST_EVALUATIONS) for name, run in arms.items()}
        spread = {name: series(run, SUCCESS)[-LAST_EVALUATIONS:].std(axis=0).tolist() for name, run in arms.items()}
        depth = {name: _depth(run) for name, run in arms.items()}
        compared = {both: given for both, given in GIVEN.items() if arms.keys() >= {*both}}
        claims = [over_cloning(success, depth, *both, given) for both, given in compared.items()]
        if "no_regulariser" in arms:
            claims.append(unsteadier(spread))
        claims += [needed(name, success) for name in LEFT_OUT if name in arms]
        told = {"success": success, "spread": spread, "depth": depth}
        table = {name: {key: mean_interval(found[name]) for key, found in told.items()} for name in arms}
        return Findings(claims, table)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        titles = {}
        for name in arms:
            mean, low, high = findings.details[name]["success"]
            titles[name] = f"{name.replace('_', ' ')}: success {mean:.2f} [{low:.2f}, {high:.2f}]"
        draw_curves(arms, titles, [SUCCESS_CURVE], path, other_scale=REWARD_CURVE)


def _depth(run: RunFiles) -> list[float]:
    """Return where the last evaluation's episodes left the case: its mean y in metres; the notebook is at 0."""
    last = run.evaluations[-1]
    return [float(final_scenes(last.of_seed(i))[:, CASE_Y].mean()) for i in range(len(run.seeds))]


def over_cloning(
    success: Mapping[str, list[float]], depth: Mapping[str, list[float]], recipe: str, cloning: str, given: str
) -> Claim:
    more = less(success[recipe], success[cloning])
    return at_least(
        f"From {given} the recipe succeeds at least {100 * GAIN:.0f} points more often than cloning the same.",
        f"{in_words(success[recipe])} against {in_words(success[cloning])}; {in_words(more)} more (the lecture's "
        f"robot: 0.62 against 0.26). The case is left at {np.mean(depth[recipe]):.3f} m against "
        f"{np.mean(depth[cloning]):.3f} m; the goal goes from {GOAL_DEPTH[0]} to {GOAL_DEPTH[1]} m.",
        "success more than cloning, paired by seed",
        more,
        GAIN,
        {recipe: success[recipe], cloning: success[cloning], f"{recipe}, m": depth[recipe]},
    )


def unsteadier(spread: Mapping[str, list[float]]) -> Claim:
    more = [without - SPREAD * found for without, found in zip(spread["no_regulariser"], spread["recipe"], strict=True)]
    return at_least(
        f"Without regularisers success spreads at least twice as much over the last {LAST_EVALUATIONS} evaluations.",
        f"standard deviation {in_words(spread['no_regulariser'])} against {in_words(spread['recipe'])}.",
        "spread without them minus twice that with them, paired by seed",
        more,
        0.0,
        {"recipe": spread["recipe"], "no_regulariser": spread["no_regulariser"]},
    )


def needed(name: str, success: Mapping[str, list[float]]) -> Claim:
    lost = less(success["recipe"], success[name])
    return at_least(
        f"Without {LEFT_OUT[name]} the recipe has less success.",
        f"{in_words(success[name])} against {in_words(success['recipe'])}; {in_words(lost)} less.",
        "success less than with it, paired by seed",
        lost,
        PRACTICAL,
        {"recipe": success["recipe"], name: success[name]},
    )

"""Does an unbalanced or over-trained classifier give low rewards everywhere, and what does the update rate do?

The lecture: too many negatives too fast, and the classifier turns conservative (reward collapse); too few updates, and
exploits persist.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import GOALS, LEARNED, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, gained, in_words, less
from rl_rewards.studies.drawing import SUCCESS_CURVE, canvas, draw_arm, save
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import HELDOUT, SUCCESS, last_mean, series
from rl_rewards.studies.measures import LEARNED as LEARNED_FINAL

RATE_ARMS = ("every_30", "every_10", "every_3", "balanced", "steps_100")
TITLES = {
    "balanced": "balanced, every round",
    "unbalanced": "ten negatives per goal",
    "too_fast": "ten, and three times the steps",
    "every_30": "every 30 rounds",
    "steps_100": "five times the steps",
    "sac_balanced": "SAC, balanced",
    "sac_unbalanced": "SAC, ten negatives per goal",
}
COLLAPSED, HEALTHY, LARGE_LOSS = 0.1, 0.5, 0.3


@dataclass(frozen=True, kw_only=True)
class RewardCollapse:
    """Judges the arms of configs/experiment/lecture/classifiers/reward_collapse.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        goals = {name: last_mean(run, HELDOUT) for name, run in arms.items()}
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        over_training = {name: series(run, SUCCESS).mean(axis=0).tolist() for name, run in arms.items()}
        claims = [output_collapses(goals, name) for name in ("unbalanced", "too_fast")]
        claims += [costs_success(success, "balanced", name) for name in ("unbalanced", "too_fast")]
        claims.append(costs_success(success, "sac_balanced", "sac_unbalanced"))
        claims += [slower(over_training, "every_30", "too rarely"), slower(over_training, "steps_100", "too often")]
        return Findings(claims, {"update_rate": [_rate_point(name, arms[name]) for name in RATE_ARMS]})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(9.6, 8.4)
            panels = figure.subplots(3, 3).ravel()
            for axes, (name, title) in zip(panels, TITLES.items(), strict=False):
                draw_arm(axes, arms[name], [SUCCESS_CURVE, (HELDOUT, GOALS, "D, held-out goals")])
                axes.set_title(title, fontsize=10)
            for axes in panels[::3]:
                axes.set_ylabel("share")
            _draw_rate(panels[7], findings.details["update_rate"])
            panels[8].set_axis_off()
            label_lines(*panels[[2, 5, 6, 7]], characters=12)
            save(figure, path)


def output_collapses(goals: Mapping[str, list[float]], name: str) -> Claim:
    low, high = goals[name], goals["balanced"]
    evidence = (
        Evidence(of="mean output on held-out goals", values=low, claimed=(-math.inf, COLLAPSED)),
        Evidence(of="mean output on held-out goals, balanced", values=high, claimed=(HEALTHY, math.inf)),
    )
    return Claim(
        f"{name}: the output on held-out goals falls below {COLLAPSED}; balanced batches keep it above {HEALTHY}.",
        f"{in_words(low, 3)} against {in_words(high)} balanced.",
        evidence,
        {name: low, "balanced": high},
    )


def costs_success(success: Mapping[str, list[float]], base: str, name: str) -> Claim:
    lost = less(success[base], success[name])
    return at_least(
        f"{name}: low rewards cost at least {LARGE_LOSS:.0%} of success against {base}.",
        f"success {in_words(success[name])} against {in_words(success[base])}; lost {in_words(lost)}.",
        "success lost, paired by seed",
        lost,
        LARGE_LOSS,
        {arm: success[arm] for arm in (base, name)},
    )


def slower(over_training: Mapping[str, list[float]], name: str, how: str) -> Claim:
    base, other = over_training["balanced"], over_training[name]
    return gained(
        f"Updated {how} ({name}), the policy has less success over training than with an update in every round.",
        "mean success over all evaluations, less than with an update in every round",
        less(base, other),
        {"balanced": base, name: other},
    )


def _rate_point(name: str, run: RunFiles) -> dict[str, object]:
    """Return one point of the trade-off: the rate of updates and the outcome."""
    reward, algorithm = run.config["reward"], run.config["algorithm"]
    round_steps = algorithm["num_envs"] * algorithm["rollout_length"]
    rate = 1000.0 * reward["updates_per_round"] / (reward["rounds_per_update"] * round_steps)
    gap = series(run, LEARNED_FINAL) - series(run, SUCCESS)
    return {
        "arm": name,
        "gradient_steps_per_1000_env_steps": rate,
        "mean_success": mean_interval(series(run, SUCCESS).mean(axis=0).tolist()),
        "mean_gap": mean_interval(gap.mean(axis=0).tolist()),
    }


def _draw_rate(axes, points) -> None:
    rates = [point["gradient_steps_per_1000_env_steps"] for point in points]
    for key, colour, label in (("mean_success", TRUE, "success"), ("mean_gap", LEARNED, "learned reward - success")):
        found = np.array([point[key] for point in points])
        axes.errorbar(rates, found[:, 0], np.abs(found[:, 1:] - found[:, :1]).T, color=colour, marker="o", label=label)
    axes.set(xscale="log", xlabel="classifier gradient steps\nper 1000 env steps")
    axes.set_title("all rates, mean over training", fontsize=10)

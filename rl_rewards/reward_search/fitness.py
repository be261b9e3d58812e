"""How fit a written reward is: what its policy reached by the task's own measure, which the reward does not read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.types import EnvSpec
from rl_rewards.core.words import digits
from rl_rewards.reporting.alarm import exploit_alarm
from rl_rewards.reporting.outcome import REACHED
from rl_rewards.reporting.run_files import RunFiles

LAST = 3
"""The fitness is the mean of so many of the last evaluations."""
SHOWN = 10
"""The most evaluations whose numbers are shown to the model."""
MEASURES = {
    "success": "the share of episodes with success",
    "true_return": "the return of the environment's own reward",
}


@dataclass(frozen=True)
class Trained:
    """A written reward and the training of a policy with it, of one seed."""

    text: str
    fitness: float
    evaluations: Mapping[str, Sequence[float]]  # "success", "true_return" or a term's name -> evaluations, oldest first
    alarm: str | None  # of exploits, in words
    warnings: tuple[str, ...] = ()  # of the lint, before the training


def measure_of(spec: EnvSpec) -> str:
    """Return which metric is the fitness: ``success`` where the environment reports it, else ``true_return``.

    Raises:
        ConfigError: if nothing measures the task.
    """
    require(
        spec.has_success or spec.has_true_reward,
        f"{spec.name} has no success and no reward of its own, so that no written reward can be called fitter than "
        "another; choose an environment that measures its task.",
    )
    return "success" if spec.has_success else "true_return"


def trained(text: str, run: RunFiles, index: int, measure: str, warnings: Sequence[str] = ()) -> Trained:
    """Return the training of the seed with that index in ``run``."""
    rows = [dict(row) for row in run.of_seed(index).evaluation_rows]
    found: dict[str, list[float]] = {measure: _column(rows, f"eval/{measure}")}
    for key in dict.fromkeys(key for row in rows for key in row if key.startswith("eval/term_")):
        column = _column(rows, key)
        if np.isfinite(column).any():  # otherwise it is a term of other seeds' rewards
            found[key.removeprefix("eval/term_")] = column
    last = np.array(found[measure][-LAST:], float)
    fitness = float(last.mean()) if last.size and np.isfinite(last).all() else -math.inf
    done = measure == "success" and fitness >= REACHED  # the task is learned, whatever else the reward pays for
    alarm = None if done else _first_alarm(rows)
    return Trained(text, fitness, found, alarm, tuple(warnings))


def _first_alarm(rows: list[dict[str, Any]]) -> str | None:
    """Return the first exploit alarm of these evaluations, in words."""
    alarms = (exploit_alarm(rows[:end]) for end in range(1, len(rows) + 1))
    return next((one.message for one in alarms if one is not None), None)


def told_over_training(one: Trained) -> list[str]:
    """Return a line for each term and for the fitness: its values over training, and their mean, least and most."""
    lines = []
    for name, column in one.evaluations.items():
        values = np.array(column, float)
        shown = values[np.unique(np.linspace(0, len(values) - 1, min(SHOWN, len(values))).round().astype(int))]
        finite = values[np.isfinite(values)]
        listed = ", ".join(digits(value) for value in shown.tolist())
        spread = f"; mean {digits(finite.mean())}, least {digits(finite.min())}, most {digits(finite.max())}"
        lines.append(f"{name}: {listed}{spread if finite.size else ''}")
    return lines


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [math.nan if (value := row.get(key)) is None else float(value) for row in rows]

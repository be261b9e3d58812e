"""Does a policy get better when it records new data, and learns offline from all of it, again and again?

Slides: "collect data with the policy, fit its value by Monte Carlo, train an advantage-conditioned policy" (pi*0.6,
arXiv:2511.14759). Iteration 0 clones slow demonstrations. Every further iteration adds the episodes of the last policy
to the data, and trains a new advantage-conditioned policy from nothing. The controls learn from the data of the last
iteration by cloning its best episodes, or by AWR; PPO learns online, from about as many env steps.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, in_words
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import SUCCESS, last_mean

ITERATIONS = ("iteration_0", "iteration_1", "iteration_2")
TITLES = {
    "iteration_0": "iteration 0: cloning",
    "iteration_1": "iteration 1",
    "iteration_2": "iteration 2",
    "filtered": "best-30% cloning",
    "awr": "AWR",
    "ppo": "PPO, online",
}
FACTOR = 1.5
"""How many times the throughput of iteration 0 that of iteration 2 is claimed to be."""
SAME = 0.95
"""The least share of another method's throughput that counts as not worse."""


@dataclass(frozen=True, kw_only=True)
class Iterated:
    """Compares the throughput of iterations and of other methods, in successes per 1,000 env steps."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        throughput = {name: throughput_of(arms[name]) for name in TITLES}
        success = {name: last_mean(arms[name], SUCCESS) for name in TITLES}
        return Findings(self.claims(throughput), {"throughput": throughput, "success": success})

    def claims(self, found: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that iterating helps, and that conditioning on the advantage is not worse than the controls.

        Args:
            found: arm -> throughput of every seed.
        """
        first, _, last = ITERATIONS
        over = [b - FACTOR * a for a, b in zip(found[first], found[last], strict=True)]
        helps = at_least(
            f"The throughput of iteration 2 is at least {FACTOR:g} times that of iteration 0.",
            f"{in_words(found[last], 1)} against {in_words(found[first], 1)} successes per 1,000 env steps.",
            f"throughput minus {FACTOR:g} times that of iteration 0, paired by seed",
            over,
            0.0,
            {name: found[name] for name in ITERATIONS},
        )
        return [helps, *(self._not_worse(found, name) for name in ("filtered", "awr", "ppo"))]

    def _not_worse(self, found: Mapping[str, list[float]], other: str) -> Claim:
        last, title = ITERATIONS[-1], TITLES[other].replace("\n", " ")
        return at_least(
            f"The advantage-conditioned policy has at least {SAME:.0%} of the throughput of {title}.",
            f"{in_words(found[last], 1)} against {in_words(found[other], 1)}.",
            f"throughput minus {SAME:.0%} of the other's, paired by seed",
            [a - SAME * b for a, b in zip(found[last], found[other], strict=True)],
            0.0,
            {last: found[last], other: found[other]},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        with styled():
            figure = canvas(8.4, 3.4)
            for axes, (key, label) in zip(
                figure.subplots(1, 2), (("throughput", "successes per 1,000 env steps"), ("success", "success")),
                strict=True,
            ):  # fmt: skip
                found = [mean_interval(findings.details[key][name]) for name in TITLES]
                colours = ["#0072B2" if name in ITERATIONS else "#999999" for name in TITLES]
                means = np.array([mean for mean, _, _ in found])
                spread = np.array([[mean - low, high - mean] for mean, low, high in found]).T
                axes.bar(range(len(TITLES)), means, yerr=spread, color=colours, capsize=3)
                axes.set_xticks(range(len(TITLES)), [textwrap.fill(title, 10) for title in TITLES.values()], fontsize=8)
                axes.set(title=label, ylim=(0, None))
            save(figure, path)


def throughput_of(run: RunFiles) -> list[float]:
    """Return the successes per 1,000 env steps in the last evaluation, of each seed."""
    evaluation = run.evaluations[-1]
    each = [evaluation.of_seed(i) for i in range(run.num_seeds)]
    return [1000.0 * float(np.sum(np.asarray(one.ended_in_success))) / float(np.sum(one.valid)) for one in each]

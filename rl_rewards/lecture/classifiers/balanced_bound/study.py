"""The output of a classifier at a success when some negatives are successes too, and what balanced batches guarantee.

D+ ~ p, D- ~ a p + (1 - a) q with p and q apart, k negatives for every positive:  C(s) = 1 / (1 + k a) where p(s) > 0.
In general C(s) = p(s) / (p(s) + k d(s)) with d the density of D-: below 1/2 wherever k d(s) > p(s). Its mean over p is
at least 1 / (1 + k a) whatever the shape of d, with a the share of d where p(s) > 0 (Jensen's inequality). The lecture
says C >= 0.5 "for any true success state" of balanced batches, and 0.09 of 10 to 1 (guide-reward-learning.txt, 5).
Drawn by places (rewards.places) instead of by visits, d is about 1 / |V| in each of the |V| cells that were visited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Key
from rl_rewards.lecture.classifiers.balanced_bound import outcome
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.rewards.classifier.classifier import Classifier, ClassifierState
from rl_rewards.rewards.classifier.places import Places, by_places
from rl_rewards.studies.base import Findings
from rl_rewards.studies.densities import NormalMixture, blend, seed_keys, stacked
from rl_rewards.studies.working import counted

Outputs = dict[str, Float[np.ndarray, "S V ..."]]
LINE = np.linspace(-6.0, 6.0, 24_001)
"""The range over which densities are integrated; they are negligible outside."""
CURVE = LINE[::200]
CENTRAL = 1.96
"""The number of deviations from a mode of success within which 95% of its states lie."""


@dataclass(frozen=True, kw_only=True)
class BalancedBound:
    """Keys and units: configs/experiment/lecture/classifiers/balanced_bound.yaml."""

    classifier: Classifier
    success: NormalMixture
    other: NormalMixture
    shares: tuple[float, ...]
    ratios: tuple[int, ...]
    mixup: float
    gathered_share: float
    widths: tuple[float, ...]
    places: Places
    visited_states: int
    batch_goals: int
    gradient_steps: int
    heldout: int
    tolerance: float

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(
            max(self.shares) == 1.0 and min(self.shares) >= 0.0,
            f"study.shares={list(self.shares)} must lie in [0, 1] and include 1, where the lecture's 1/11 is due.",
        )
        require(min(self.ratios) == 1, f"study.ratios={list(self.ratios)} must include 1, balanced batches.")
        require(0.0 < self.gathered_share <= 1.0, f"study.gathered_share={self.gathered_share} must lie in (0, 1].")

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        blends = [blend(self.success, self.other, share) for share in self.shares]
        grid = [
            self._outputs(self.classifier, seeds, blends, ratio)["on_success"]
            for ratio in counted(self.ratios, "ratio")
        ]
        with_mixup = replace(self.classifier, mixup=self.mixup)
        gathering = [self.gathering(w) for w in self.widths]
        gathered = self._outputs(self.classifier, seeds, gathering, 1)
        placed = self._outputs(self.classifier, seeds, gathering, 1, places=True)
        found = outcome.TrainedOutputs(
            shares=list(self.shares),
            ratios=list(self.ratios),
            widths=list(self.widths),
            grid=np.stack(grid, axis=-1),
            mixup=self._outputs(with_mixup, seeds, blends, 1)["on_success"],
            gathered=gathered["on_gathered"],
            on_average=gathered["on_success"],
            gathered_by_places=placed["on_gathered"],
            lowest_by_places=np.min(placed["on_line"][..., self._successes()], axis=-1),
        )
        curve = self._curve(gathered["on_line"], placed["on_line"])
        details = outcome.summary(found) | self._exact() | {"curve": curve}
        return Findings(outcome.claims(found, self.tolerance), details)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def piece(self, width: float) -> NormalMixture:
        """Return a few success states: the first mode of success at ``width`` times its deviation."""
        return NormalMixture(jnp.ones(1), self.success.means[:1], width * self.success.deviations[:1])

    def gathering(self, width: float) -> NormalMixture:
        """Return what a policy visits once it has found these few success states."""
        return blend(self.piece(width), self.other, self.gathered_share)

    def optimal(self, visited: NormalMixture, x: np.ndarray, ratio: int = 1) -> np.ndarray:
        """Compute p / (p + k d) at ``x``, the output of the optimal classifier."""
        success = self.success.density(x)
        return success / np.maximum(success + ratio * visited.density(x), 1e-300)

    def expected(self, visited: NormalMixture, over: NormalMixture, ratio: int = 1) -> float:
        """Compute the mean of :meth:`optimal` over ``over``, by the trapezoidal rule."""
        return float(np.trapezoid(over.density(LINE) * self.optimal(visited, LINE, ratio), LINE))

    def _successes(self) -> np.ndarray:
        """Mark the points of ``CURVE`` that are success states: those within the central 95% of either kind."""
        means, deviations = np.asarray(self.success.means), np.asarray(self.success.deviations)
        return np.any(np.abs(CURVE[:, None] - means) <= CENTRAL * deviations, axis=1)

    def _train(
        self, classifier: Classifier, key: Key, visited: NormalMixture, ratio: int, places: bool = False
    ) -> ClassifierState:
        """Train with fresh draws in every step: the law is measured, not the number of examples that it takes.

        By ``places`` negatives are drawn from ``visited_states`` stored ones, as the adversarial classifier does.
        """
        init_key, scan_key = jax.random.split(key)
        stored = visited.sample(jax.random.fold_in(key, 0), (self.visited_states, 1))
        everywhere = jnp.ones(self.visited_states, bool)
        draw = by_places(self.places.cells(stored, everywhere), everywhere)

        def step(state: ClassifierState, step_key: Key) -> tuple[ClassifierState, None]:
            success_key, visited_key, train_key = jax.random.split(step_key, 3)
            positives = self.success.sample(success_key, (classifier.ensemble, self.batch_goals, 1))
            shape = (classifier.ensemble, self.batch_goals * ratio)
            if places:
                negatives = stored[jnp.minimum(draw.index(visited_key, shape), self.visited_states - 1)]
            else:
                negatives = visited.sample(visited_key, (*shape, 1))
            return classifier.train_step(state, positives, negatives, train_key)[0], None

        steps = jax.random.split(scan_key, self.gradient_steps)
        return jax.lax.scan(step, classifier.init(init_key, 1), steps)[0]

    def _outputs(
        self,
        classifier: Classifier,
        seeds: Sequence[int],
        visited: list[NormalMixture],
        ratio: int,
        places: bool = False,
    ) -> Outputs:
        """Train a classifier for every seed and every one of ``visited``; return its outputs.

        There are ``ratio`` negatives per positive.

        ``on_success`` [S, V]: mean over held-out success states; ``on_gathered`` [S, V]: mean over those success
        states that are ``visited``'s first component; ``on_line`` [S, V, points]: on the points of ``CURVE``.
        """

        def one(key: Key, visited: NormalMixture) -> dict[str, Array]:
            train_key, success_key, gathered_key = jax.random.split(key, 3)
            state = self._train(classifier, train_key, visited, ratio, places)

            def said(x: Array) -> Array:
                return classifier.combined(jax.nn.sigmoid(classifier.logits(state, x[:, None])))

            normal = jax.random.normal(gathered_key, (self.heldout,))
            return {
                "on_success": jnp.mean(said(self.success.sample(success_key, (self.heldout,)))),
                "on_gathered": jnp.mean(said(visited.means[0] + visited.deviations[0] * normal)),
                "on_line": said(jnp.asarray(CURVE, jnp.float32)),
            }

        for_all = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))
        found = for_all(seed_keys(seeds), stacked(visited))
        return {name: np.asarray(array, np.float64) for name, array in found.items()}

    def _exact(self) -> dict[str, Any]:
        """Compute outputs from the densities alone; ``grid`` differs from the law as far as p and q overlap."""
        blends = [blend(self.success, self.other, share) for share in self.shares]
        return {
            "exact_grid": [[self.expected(one, self.success, ratio) for ratio in self.ratios] for one in blends],
            "exact_gathered": [self.expected(self.gathering(w), self.piece(w)) for w in self.widths],
            "exact_on_average": [self.expected(self.gathering(w), self.success) for w in self.widths],
        }

    def _curve(
        self, on_line: Float[np.ndarray, "S V points"], by_places: Float[np.ndarray, "S V points"]
    ) -> dict[str, Any]:
        """Return the line of the figure, for the widest piece."""
        widest = int(np.argmax(self.widths))
        visited = self.gathering(self.widths[widest])
        lines = {
            "x": CURVE,
            "success": self.success.density(CURVE),
            "visited": visited.density(CURVE),
            "exact": self.optimal(visited, CURVE),
            "measured": on_line[:, widest],
            "by_places": by_places[:, widest],
        }
        return {name: np.round(line, 4).tolist() for name, line in lines.items()}

"""The best of n states that a classifier knows nothing about: the lecture's uniform model, and trained classifiers.

The lecture (guide-reward-learning.txt, chapter 4): let the output at each state out of distribution be uniform in
[0, 1] and independent; then E max(c_1, ..., c_n) = n / (n + 1). Here that formula is drawn, and the same expectation
is measured for classifiers trained as ``goal_classifier`` trains them, over states away from D+ and from D-.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Examples, Experience, Key
from rl_rewards.data.examples import collect_examples, hold_out
from rl_rewards.envs.point import NORMAL_QUADRANT, Point
from rl_rewards.lecture.classifiers.order_statistics import outcome
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.rewards.classifier.goal import GoalClassifier
from rl_rewards.studies.base import Findings
from rl_rewards.studies.densities import seed_keys
from rl_rewards.studies.working import counted

Short = dict[str, Float[np.ndarray, "S ..."]]
BINS = np.linspace(0.0, 1.0, 26)
PLANE = 41


@dataclass(frozen=True, kw_only=True)
class OrderStatistics:
    """Keys and units: configs/experiment/lecture/classifiers/order_statistics.yaml."""

    env: Point
    reward: Callable[..., GoalClassifier]
    mixups: tuple[float, ...]
    goals: int
    non_goals: int
    heldout_share: float
    margin: float
    pool: int
    states: tuple[int, ...]
    uniforms: tuple[int, ...]
    draws: int
    tolerance_formula: float
    tolerance_model: float

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(self.margin >= 0.0, f"study.margin={self.margin} must not be negative.")
        require(len(self.mixups) > 0, "study.mixups must name at least one classifier.")

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        examples = [
            hold_out(collect_examples(self.env, self.goals, self.non_goals, s), self.heldout_share, s) for s in seeds
        ]
        data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *examples)
        trained = {
            f"mixup {mixup:g}": self._classifiers(seeds, data, mixup) for mixup in counted(self.mixups, "classifier")
        }
        found = outcome.ExpectedMaxima(
            uniforms=list(self.uniforms),
            uniform_maximum=self._uniform_maximum(seeds),
            states=list(self.states),
            short={name: self._short_of_one(one) for name, one in trained.items()},
            short_goals={name: one["goals"] for name, one in trained.items()},
        )
        details = (
            outcome.summary(found)
            | {"goal_radius": self.env.goal_radius}
            | {name: self._described(one) for name, one in trained.items()}
        )
        return Findings(outcome.claims(found, self.tolerance_formula, self.tolerance_model), details)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def unknown(self, position: Float[Array, "N 2"]) -> Float[Array, " N"]:
        """Mark positions that are more than ``margin`` away from every possible example of either kind."""
        low, high = NORMAL_QUADRANT
        beside = jnp.maximum(jnp.maximum(low - position, position - high), 0.0)
        from_goals = jnp.linalg.norm(position, axis=-1) - self.env.goal_radius
        return (from_goals > self.margin) & (jnp.linalg.norm(beside, axis=-1) > self.margin)

    def _uniform_maximum(self, seeds: Sequence[int]) -> Float[np.ndarray, "S uniforms"]:
        """Return the mean over ``draws`` of the largest of n uniform numbers."""

        def one(key: Key, n: int) -> Array:
            keys = jax.random.split(jax.random.fold_in(key, n), self.draws)
            return jnp.mean(jax.lax.map(lambda k: jnp.max(jax.random.uniform(k, (n,))), keys, batch_size=1000))

        for_seeds = [jax.jit(jax.vmap(lambda key, n=n: one(key, n)))(seed_keys(seeds)) for n in self.uniforms]
        return np.stack(for_seeds, axis=-1).astype(np.float64)

    def _classifiers(self, seeds: Sequence[int], data: Examples, mixup: float) -> Short:
        """Train classifiers of all seeds on ``data`` [S, ...] as in a run; return the gaps of their outputs to 1.

        ``unknown`` [S, pool] on states all over the square with NaN where examples may lie; ``goals`` [S, N] on goals
        held out; ``plane`` [S, PLANE^2]. 1 - C is kept, and not C, since C alone rounds to 1.
        """
        source = self.reward(spec=self.env.spec)
        source = replace(source, classifier=replace(source.classifier, mixup=mixup))
        nothing = Experience(None, _never, _never, _never)  # a fixed classifier asks for none
        plane = jnp.asarray(self.env.plane(PLANE).obs).reshape(-1, 2)

        def one(key: Key, data: Examples) -> dict[str, Array]:
            init_key, train_key, pool_key = jax.random.split(key, 3)
            state, _ = source.update(source.init(init_key), data, nothing, jnp.int32(0), train_key)

            def short(x: Array) -> Array:
                logits = source.classifier.logits(state.classifier, x)
                return source.classifier.combined(jax.nn.sigmoid(-logits))

            pool = jax.random.uniform(pool_key, (self.pool, 2), minval=-1.0, maxval=1.0)
            return {
                "unknown": jnp.where(self.unknown(pool), short(pool), jnp.nan),
                "goals": short(data["heldout_obs"]),
                "plane": short(plane),
            }

        found = jax.jit(jax.vmap(one))(seed_keys(seeds), data)
        return {name: np.asarray(array, np.float64) for name, array in found.items()}

    def _short_of_one(self, trained: Short) -> Float[np.ndarray, "S states"]:
        """Compute 1 - E max over n unknown states, for every n."""
        rows = [row[~np.isnan(row)] for row in trained["unknown"]]
        return np.array([[expected_least(row, n) for n in self.states] for row in rows])

    def _described(self, trained: Short) -> dict[str, Any]:
        """Return outputs at unknown states, and over the square in the first seed, as the figure shows them."""
        unknown = [1.0 - row[~np.isnan(row)] for row in trained["unknown"]]
        shares = [np.histogram(row, BINS)[0] / len(row) for row in unknown]
        return {
            "unknown_states": [len(row) for row in unknown],
            "distance_from_uniform": [distance_from_uniform(row) for row in unknown],
            "bins": BINS.tolist(),
            "share_in_bin": np.round(shares, 5).tolist(),
            "plane": np.round(1.0 - trained["plane"][0], 3).reshape(PLANE, PLANE).tolist(),
        }


def _never(*_: Any) -> Any:
    raise AssertionError("A fixed classifier learns from its examples alone.")


def expected_least(values: Float[np.ndarray, " N"], n: int) -> float:
    """Compute the expected minimum of ``n`` independent draws from ``values``, exactly."""
    ascending = np.sort(values)
    above = np.arange(len(values), -1, -1) / len(values)  # share of values from the i-th on
    return float(np.sum(ascending * (above[:-1] ** n - above[1:] ** n)))


def distance_from_uniform(values: Float[np.ndarray, " N"]) -> float:
    """Compute Kolmogorov's distance of ``values`` in [0, 1] from the uniform distribution."""
    from scipy import stats  # slow to import

    return float(stats.kstest(values, "uniform").statistic)

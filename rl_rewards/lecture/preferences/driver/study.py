"""Does it pay to choose the questions? Weights of a driving reward, from few answers about pairs of trajectories.

There is no RL. Each seed draws a pool of random pairs in a world of ``driver`` and, for biyik2019, true weights, by
which a synthetic person answers. The next question is the one of most information (Biyik et al. 2019,
arXiv:1910.04365), the one that removes the most volume (Sadigh et al. 2017), or a random one. The alignment of the
believed with the true weights is measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Key
from rl_rewards.envs.driver.world import SADIGH, WORLDS, World, random_pairs
from rl_rewards.lecture.preferences.driver import outcome
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.rewards.preferences.linear_posterior import METHODS, Likelihood, Sampler, ask
from rl_rewards.studies.base import Findings
from rl_rewards.studies.densities import seed_keys
from rl_rewards.studies.working import counted

LIKELIHOODS: dict[str, Likelihood] = {"biyik2019": "logistic", "sadigh2017": "relu"}  # each paper's own


@dataclass(frozen=True, kw_only=True)
class DriverStudy:
    """Keys and units: configs/experiment/lecture/preferences/driver.yaml."""

    pool: int
    questions: int
    judged_at: int
    sampler: Sampler
    sadigh_weights: tuple[float, ...]
    sadigh_correct: float
    gain_above: float
    random_below: float
    difference_above: float
    volume_margin: float

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(
            1 <= self.judged_at <= self.questions,
            f"study.judged_at={self.judged_at} must lie in 1 to study.questions={self.questions}.",
        )
        require(
            self.pool >= self.questions,
            f"study.pool={self.pool} must be at least study.questions={self.questions}: none is asked twice.",
        )
        names = SADIGH.features
        require(
            len(self.sadigh_weights) == len(names),
            f"study.sadigh_weights must be {len(names)} numbers, for {', '.join(names)}.",
        )
        require(
            0.5 <= self.sadigh_correct <= 1.0,
            f"study.sadigh_correct={self.sadigh_correct} is a probability; it must lie in [0.5, 1].",
        )

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        found = {
            "judged_at": self.judged_at,
            "worlds": {name: self.find(name, seeds) for name in counted(list(LIKELIHOODS), "world")},
        }
        return Findings(
            outcome.claims(found, self.gain_above, self.random_below, self.difference_above, self.volume_margin),
            found,
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def find(self, world_name: str, seeds: Sequence[int]) -> dict[str, Any]:
        """Return ``alignment`` [S, questions + 1] by method, and the first seed's true and believed weights.

        A seed has the same pool, true weights and keys with every method.
        """
        world = WORLDS[world_name]
        correct = self.sadigh_correct if world is SADIGH else None

        def one(key: Key, method: Array) -> dict[str, Array]:
            pool_key, weights_key, ask_key = jax.random.split(key, 3)
            pool, true = self.draw_pool(world, pool_key), self.draw_weights(world, weights_key)
            aligned, belief = ask(
                ask_key, pool, true, method, LIKELIHOODS[world_name], self.questions, self.sampler, correct
            )
            return {"alignment": aligned, "belief": belief, "true": true}

        by_method = jax.vmap(jax.vmap(one, (0, None)), (None, 0))
        arrays = jax.jit(by_method)(seed_keys(seeds), jnp.arange(len(METHODS)))
        found = {name: np.asarray(x, np.float64).round(5).tolist() for name, x in arrays.items()}
        return {
            "features": list(world.features),
            "alignment": dict(zip(METHODS, found["alignment"], strict=True)),
            "true_weights": found["true"][0],
            "belief_first_seed": {name: seeds[0] for name, seeds in zip(METHODS, found["belief"], strict=True)},
        }

    def draw_pool(self, world: World, key: Key) -> Float[Array, "P d"]:
        """Return the differences of features of random pairs; those of sadigh2017 are cut to length 1."""
        pairs = random_pairs(world, key, self.pool)
        psi = pairs[:, 0] - pairs[:, 1]
        return psi / jnp.maximum(1.0, jnp.linalg.norm(psi, axis=1, keepdims=True)) if world is SADIGH else psi

    def draw_weights(self, world: World, key: Key) -> Float[Array, " d"]:
        """Return the true weights: the paper's for sadigh2017; of length 1 in a uniform direction for biyik2019."""
        if world is SADIGH:
            return jnp.array(self.sadigh_weights, jnp.float32)
        normal = jax.random.normal(key, (len(world.features),))
        return normal / jnp.linalg.norm(normal)

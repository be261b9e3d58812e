"""The adversarial classifier as a GAN on a line: does the generator come to match the data's distribution?

Discriminator: ``Classifier``, on balanced batches of data and of the generator's current samples. Generator: a policy
x ~ N(m(z), s(z)) of noise z, which maximises the classifier's reward, log D (the non-saturating loss of Goodfellow et
al. 2014, arXiv:1406.2661, section 3): by its gradient through the classifier, as GANs do, or knowing rewards alone, by
the policy gradient, as RL does. The lecture (slides-learning-rewards.txt): "At convergence: generator will match p(x)".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Key
from rl_rewards.lecture.classifiers.gan import outcome
from rl_rewards.models.base import Model, check_model, refuse_training_mode
from rl_rewards.models.networks import apply
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.rewards.classifier.classifier import Classifier, ClassifierState
from rl_rewards.rewards.reward_maps import REWARD_MAPS, RewardMap
from rl_rewards.studies.base import Findings
from rl_rewards.studies.densities import NormalMixture, seed_keys
from rl_rewards.studies.working import counted

LOG_STD_RANGE = (-4.0, 1.0)
ARMS = {"through": "through", "reward_alone": "reward_alone", "fast_generator": "through"}
"""Each arm and how its generator learns; ``fast_generator`` learns at a higher rate, since the balance is delicate."""


class Players(NamedTuple):
    """Both players and the generator's optimiser."""

    classifier: ClassifierState
    generator: dict
    optimizer: optax.OptState


@dataclass(frozen=True, kw_only=True)
class Gan:
    """Keys and units: configs/experiment/lecture/classifiers/gan.yaml."""

    classifier: Classifier
    data: NormalMixture
    reward_map: RewardMap
    noise_size: int
    model: Model
    learning_rate: float
    fast: float
    momentum: float
    batch: int
    updates: int
    evaluations: int
    draws: int
    low: float
    high: float
    bins: int
    threshold: float

    def __post_init__(self) -> None:
        check_fields(self, "study")
        check_model(self.model, "study.model")
        refuse_training_mode(self.model, "study.model")
        require(self.low < self.high, f"study.low={self.low} must be below study.high={self.high}.")
        require(
            self.updates % self.evaluations == 0,
            f"study.updates={self.updates} must be a multiple of study.evaluations={self.evaluations}.",
        )
        require(
            self.evaluations >= outcome.LAST,
            f"study.evaluations={self.evaluations} must be at least {outcome.LAST}, over which a seed is judged.",
        )

    @property
    def network(self) -> nn.Module:
        """Return the generator's network: noise -> a mean and a log standard deviation."""
        return self.model.network(2)

    def optimizer(self, arm: str) -> optax.GradientTransformation:
        """Return the generator's optimiser."""
        rate = self.learning_rate * (self.fast if arm == "fast_generator" else 1.0)
        return optax.adam(rate, b1=self.momentum)

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        edges = np.linspace(self.low, self.high, self.bins + 1)
        exact = outcome.bin_shares(self.data.cumulative(edges))
        found = {name: self._measured(self.play(name, seeds), edges, exact) for name in counted(list(ARMS), "method")}
        details: dict[str, Any] = {
            "unit": "nats; at most ln 2 = 0.693",
            "edges": edges.round(6).tolist(),
            "data": exact.round(6).tolist(),
            "updates": self.updates,
            "threshold": self.threshold,
            "floor": self._floor(seeds, edges, exact),
            "arms": found,
        }
        return Findings(outcome.claims(details), details)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def play(self, arm: str, seeds: Sequence[int]) -> dict[str, Float[np.ndarray, "S evaluations ..."]]:
        """Train all seeds; return the samples ``made`` [S, evaluations, draws] and D on data at every evaluation.

        ``prob_data`` [S, evaluations] is the mean of D over fresh data, ``off_half`` that of |D - 1/2|.
        """

        def round_(players: Players, key: Key) -> tuple[Players, dict[str, Array]]:
            train_key, made_key, data_key = jax.random.split(key, 3)
            keys = jax.random.split(train_key, self.updates // self.evaluations)
            players, _ = jax.lax.scan(lambda p, k: (self.update(arm, p, k), None), players, keys)
            data = self.data.sample(data_key, (self.draws, 1))
            prob = self.classifier.combined(jax.nn.sigmoid(self.classifier.logits(players.classifier, data)))
            _, made = self.generate(players.generator, made_key, (self.draws,))
            return players, {"made": made, "prob_data": jnp.mean(prob), "off_half": jnp.mean(jnp.abs(prob - 0.5))}

        def one(key: Key) -> dict[str, Array]:
            classifier_key, generator_key, rounds_key = jax.random.split(key, 3)
            generator = self.network.init(generator_key, jnp.zeros((1, self.noise_size)))
            optimizer = self.optimizer(arm).init(generator)
            players = Players(self.classifier.init(classifier_key, 1), generator, optimizer)
            return jax.lax.scan(round_, players, jax.random.split(rounds_key, self.evaluations))[1]

        found = jax.jit(jax.vmap(one))(seed_keys(seeds))
        return {name: np.asarray(array) for name, array in found.items()}

    def generate(self, generator: dict, key: Key, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Return noise [*shape, noise_size] and the policy's samples from it [*shape], differentiably."""
        noise_key, normal_key = jax.random.split(key)
        noise = jax.random.normal(noise_key, (*shape, self.noise_size))
        mean, log_std = self._policy(generator, noise)
        return noise, mean + jnp.exp(log_std) * jax.random.normal(normal_key, shape)

    def _policy(self, generator: dict, noise: Array) -> tuple[Array, Array]:
        """Return the mean and the log standard deviation, both functions of the noise."""
        mean, raw = jnp.moveaxis(apply(self.network, generator, noise), -1, 0)
        low, high = LOG_STD_RANGE
        return mean, low + 0.5 * (high - low) * (jnp.tanh(raw) + 1.0)

    def update(self, arm: str, players: Players, key: Key) -> Players:
        """Make one gradient step of the classifier on a balanced batch, then one of the generator."""
        data_key, made_key, train_key, loss_key = jax.random.split(key, 4)
        classifier = self.classifier
        shape = (classifier.ensemble, self.batch)
        data = self.data.sample(data_key, (*shape, 1))
        made = self.generate(players.generator, made_key, shape)[1][..., None]
        state, _ = classifier.train_step(players.classifier, data, made, train_key)

        def reward(x: Array) -> Array:
            return classifier.combined(REWARD_MAPS[self.reward_map](classifier.logits(state, x[:, None])))

        def through(generator: dict) -> Array:
            return -jnp.mean(reward(self.generate(generator, loss_key, (self.batch,))[1]))

        def reward_alone(generator: dict) -> Array:
            noise, x = jax.lax.stop_gradient(self.generate(generator, loss_key, (self.batch,)))
            rewards = reward(x)
            advantage = (rewards - jnp.mean(rewards)) / (jnp.std(rewards) + 1e-6)
            mean, log_std = self._policy(generator, noise)
            log_prob = -0.5 * jnp.square((x - mean) / jnp.exp(log_std)) - log_std
            return -jnp.mean(jax.lax.stop_gradient(advantage) * log_prob)

        loss = through if ARMS[arm] == "through" else reward_alone
        updates, optimizer = self.optimizer(arm).update(jax.grad(loss)(players.generator), players.optimizer)
        return Players(state, optax.apply_updates(players.generator, updates), optimizer)

    def _measured(self, played: Mapping[str, np.ndarray], edges: np.ndarray, exact: np.ndarray) -> dict[str, Any]:
        """Return divergence and D at every evaluation, and the final samples, as plain data."""
        shares = np.array([[outcome.sample_shares(made, edges) for made in seed] for seed in played["made"]])
        divergence = [[outcome.jensen_shannon(one, exact) for one in seed] for seed in shares]
        middles = np.sort(np.asarray(self.data.means))
        between = 0.5 * (middles[1:] + middles[:-1])
        return {
            "divergence": np.round(divergence, 5).tolist(),
            "prob_data": played["prob_data"].round(4).tolist(),
            "off_half": played["off_half"].round(4).tolist(),
            "made": shares[:, -1].round(5).tolist(),
            "share_below_middle": [[float(np.mean(x[-1] < b)) for b in between] for x in played["made"]],
        }

    def _floor(self, seeds: Sequence[int], edges: np.ndarray, exact: np.ndarray) -> list[float]:
        """Estimate the divergence for the data's own draws, of each seed: this is the bias, since the truth is 0."""
        draws = jax.vmap(lambda key: self.data.sample(key, (self.draws,)))(seed_keys(seeds))
        return [outcome.jensen_shannon(outcome.sample_shares(np.asarray(one), edges), exact) for one in draws]

"""Mixtures of normal distributions on a line: exact densities, to compare with what is learned."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from rl_rewards.core.checks import require
from rl_rewards.core.types import Key


class NormalMixture(struct.PyTreeNode):
    """A mixture of C normal distributions; many of them with leading axes on every leaf."""

    weights: Float[Array, " C"]  # sum to 1
    means: Float[Array, " C"]
    deviations: Float[Array, " C"]

    def sample(self, key: Key, shape: tuple[int, ...]) -> Array:
        """Draw independent samples of ``shape``."""
        component_key, normal_key = jax.random.split(key)
        ends = jnp.cumsum(self.weights)[:-1]
        component = jnp.sum(jax.random.uniform(component_key, shape)[..., None] >= ends, axis=-1)
        return self.means[component] + self.deviations[component] * jax.random.normal(normal_key, shape)

    def density(self, x: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Compute p(x), in float64."""
        weights, means, deviations = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(self))
        scaled = (np.asarray(x)[:, None] - means) / deviations
        return np.sum(weights * np.exp(-0.5 * scaled**2) / (deviations * np.sqrt(2.0 * np.pi)), axis=-1)

    def cumulative(self, x: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Compute P(X <= x), in float64."""
        from scipy.special import ndtr  # slow to import

        weights, means, deviations = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(self))
        return np.sum(weights * ndtr((np.asarray(x)[:, None] - means) / deviations), axis=-1)


def mixture(*, weights: Sequence[float], means: Sequence[float], deviations: Sequence[float]) -> NormalMixture:
    """Build the mixture of a YAML.

    Raises:
        ConfigError: when the numbers do not describe a mixture.
    """
    require(
        len(weights) == len(means) == len(deviations),
        f"A mixture needs as many weights as means and deviations; it has {len(weights)}, {len(means)} and "
        f"{len(deviations)}.",
    )
    require(
        min(weights) >= 0.0 and abs(sum(weights) - 1.0) < 1e-6,
        f"A mixture's weights={list(weights)} must not be negative, and must sum to 1.",
    )
    require(min(deviations) > 0.0, f"A mixture's deviations={list(deviations)} must be positive.")
    return NormalMixture(*(jnp.asarray(leaf, jnp.float32) for leaf in (weights, means, deviations)))


def blend(first: NormalMixture, second: NormalMixture, share: float) -> NormalMixture:
    """Mix ``share`` of ``first`` with the rest of ``second``."""
    return NormalMixture(
        weights=jnp.concatenate([share * first.weights, (1.0 - share) * second.weights]),
        means=jnp.concatenate([first.means, second.means]),
        deviations=jnp.concatenate([first.deviations, second.deviations]),
    )


def stacked(mixtures: Sequence[NormalMixture]) -> NormalMixture:
    """Stack mixtures of equally many components along a new leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *mixtures)


def seed_keys(seeds: Sequence[int]) -> Array:
    """Return a key for every seed [S]."""
    return jax.vmap(jax.random.key)(jnp.asarray(seeds))

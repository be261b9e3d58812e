"""Action distributions as pure functions of network outputs: normal (diagonal, gSDE, squashed) and categorical."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.types import Key

LOG_2_PI = 1.8378770664093453
BORDER = 1e-6
"""The smallest distance from -1 and 1 at which the log density of a squashed normal is computed, so it is finite."""

LEAST_VARIANCE = 1e-6
"""Added to the variance of state-dependent noise, which is 0 where all features are 0."""


class DiagonalNormal(struct.PyTreeNode):
    """Independent normal distributions over the last axis."""

    mean: Float[Array, "*batch A"]
    log_std: Float[Array, "*batch A"]

    def mode(self) -> Float[Array, "*batch A"]:
        return self.mean

    def sample(self, key: Key) -> Float[Array, "*batch A"]:
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    def log_prob(self, value: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """Return the log density in nats."""
        z = (value - self.mean) * jnp.exp(-self.log_std)
        return jnp.sum(-0.5 * jnp.square(z) - self.log_std - 0.5 * LOG_2_PI, axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """Return the differential entropy in nats."""
        log_std = jnp.broadcast_to(self.log_std, self.mean.shape)
        return jnp.sum(log_std + 0.5 * (LOG_2_PI + 1.0), axis=-1)


class StateDependentNormal(struct.PyTreeNode):
    """Normal actions whose noise is linear in features of the state (gSDE; Raffin et al. 2021, arXiv:2005.05719).

    action_j = mean_j + sum_i features_i exp(log_std_ij) noise_ij,  noise_ij ~ N(0, 1)

    The same ``noise`` may be used for several steps; equal states then have equal actions. Over random noise, action j
    is normal with variance sum_i (features_i exp(log_std_ij))^2 + :data:`LEAST_VARIANCE`, and ``log_prob`` and
    ``entropy`` are those of that normal distribution.
    """

    mean: Float[Array, "*batch A"]
    features: Float[Array, "*batch F"]
    log_std: Float[Array, "F A"]

    @property
    def marginal(self) -> DiagonalNormal:
        """The distribution of the actions over random noise."""
        variance = jnp.square(self.features) @ jnp.exp(2.0 * self.log_std)
        return DiagonalNormal(self.mean, 0.5 * jnp.log(variance + LEAST_VARIANCE))

    def mode(self) -> Float[Array, "*batch A"]:
        return self.mean

    def sample(self, key: Key) -> Float[Array, "*batch A"]:
        """Return actions with independent noise."""
        return self.marginal.sample(key)

    def with_noise(self, noise: Float[Array, "*batch F A"]) -> Float[Array, "*batch A"]:
        """Return the actions for ``noise``, a sample of the standard normal distribution."""
        return self.mean + jnp.sum(self.features[..., None] * jnp.exp(self.log_std) * noise, axis=-2)

    def log_prob(self, value: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """Return the log density in nats."""
        return self.marginal.log_prob(value)

    def entropy(self) -> Float[Array, "*batch"]:
        """Return the differential entropy in nats."""
        return self.marginal.entropy()


class TanhNormal(struct.PyTreeNode):
    """tanh of independent normal variables over the last axis (Haarnoja et al. 2018, arXiv:1801.01290).

    Actions lie in (-1, 1):

    log p(a) = log N(u; mean, std) - sum log(1 - tanh(u)^2),  a = tanh(u)
    """

    mean: Float[Array, "*batch A"]  # of u, before tanh
    log_std: Float[Array, "*batch A"]

    def mode(self) -> Float[Array, "*batch A"]:
        """Return tanh of the mean, the usual deterministic action; it is not the maximum of the density."""
        return jnp.tanh(self.mean)

    def sample(self, key: Key) -> Float[Array, "*batch A"]:
        return self.sample_and_log_prob(key)[0]

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch"]]:
        """Return an action, differentiable in the parameters, and its log density, exact even where tanh saturates."""
        normal = DiagonalNormal(self.mean, self.log_std)
        before = normal.sample(key)
        return jnp.tanh(before), normal.log_prob(before) - _log_slope(before)

    def log_prob(self, value: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """Return the log density in nats; actions at or beyond -1 and 1 (an expert's) are moved just inside."""
        before = jnp.arctanh(jnp.clip(value, -1.0 + BORDER, 1.0 - BORDER))
        return DiagonalNormal(self.mean, self.log_std).log_prob(before) - _log_slope(before)


def _log_slope(before: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
    """Return sum log(1 - tanh(u)^2), without cancellation at large |u|."""
    return jnp.sum(2.0 * (jnp.log(2.0) - before - jax.nn.softplus(-2.0 * before)), axis=-1)


class Categorical(struct.PyTreeNode):
    """A choice among n actions, with unnormalised logits over the last axis."""

    logits: Float[Array, "*batch n"]

    def mode(self) -> Int[Array, "*batch"]:
        return jnp.argmax(self.logits, axis=-1).astype(jnp.int32)

    def sample(self, key: Key) -> Int[Array, "*batch"]:
        return jax.random.categorical(key, self.logits, axis=-1).astype(jnp.int32)

    def log_prob(self, value: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Return the log probability in nats."""
        log_probs = jax.nn.log_softmax(self.logits)
        return jnp.take_along_axis(log_probs, value[..., None], axis=-1)[..., 0]

    def entropy(self) -> Float[Array, "*batch"]:
        """Return the entropy in nats."""
        log_probs = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)


ActionDistribution = Categorical | DiagonalNormal | StateDependentNormal
"""The distributions over actions of a policy head that does not squash them."""

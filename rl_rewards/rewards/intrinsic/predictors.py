"""Predictors of curiosity, and their bonus for a step: the prediction error, or the ensemble's disagreement.

forward model  |f(s, a) - s'|^2                        ensemble of them  variance over e of f_e(s, a)
icm  1/2 |f(phi(s), a) - phi(s')|^2                    distillation      |g(s') - g_random(s')|^2
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.types import Key, Metrics
from rl_rewards.models.base import Model
from rl_rewards.models.networks import apply


class Steps(NamedTuple):
    """The predictors' inputs s, a and s', normalised and flat."""

    obs: Float[Array, "*batch d"]
    action: Float[Array, "*batch A"]  # one-hot if discrete, else scaled so that its bounds are -1 and 1
    next_obs: Float[Array, "*batch d"]


class Predictor(Protocol):
    """A model whose errors are the bonus. It is pure: the caller keeps the trained and the fixed parameters."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the fields of a transition on which the bonus depends."""
        ...

    def init(self, key: Key) -> dict:
        """Return the parameters of one member."""
        ...

    def fixed(self, key: Key) -> dict:
        """Return parameters that are drawn once and never trained; most predictors have none."""
        ...

    def loss(self, params: dict, fixed: dict, steps: Steps) -> tuple[Float[Array, ""], Metrics]:
        """Return the loss of one member on its batch [N], and more metrics."""
        ...

    def bonus(self, params: dict, fixed: dict, steps: Steps) -> Float[Array, "*batch"]:
        """Return the bonus of every step, from the parameters of all members, leaves [E, ...]."""
        ...


@dataclass(frozen=True, kw_only=True)
class ForwardModel:
    """A model that predicts s' from s and a; the bonus is the mean squared error over the entries of s' (Schmidhuber
    1991; Stadie et al. 2015, arXiv:1507.00814).

    Differs: it predicts observations; Stadie et al. encode them with an autoencoder first.
    """

    model: Model
    obs_size: int
    action_size: int

    reads: tuple[str, ...] = field(default=("obs", "action", "next_obs"), init=False)

    @cached_property
    def network(self) -> nn.Module:
        return self.model.network(self.obs_size)

    def init(self, key: Key) -> dict:
        return dict(self.network.init(key, jnp.zeros((1, self.obs_size + self.action_size))))

    def fixed(self, key: Key) -> dict:
        del key
        return {}

    def loss(self, params: dict, fixed: dict, steps: Steps) -> tuple[Float[Array, ""], Metrics]:
        del fixed
        return jnp.mean(jnp.square(self.predicted(params, steps) - steps.next_obs)), {}

    def bonus(self, params: dict, fixed: dict, steps: Steps) -> Float[Array, "*batch"]:
        del fixed
        errors = jax.vmap(lambda member: jnp.square(self.predicted(member, steps) - steps.next_obs))(params)
        return jnp.mean(errors, axis=(0, -1))

    def predicted(self, params: dict, steps: Steps) -> Float[Array, "*batch d"]:
        """Return one member's prediction of s'."""
        return apply(self.network, params, jnp.concatenate([steps.obs, steps.action], axis=-1))


@dataclass(frozen=True, kw_only=True)
class ForwardEnsemble(ForwardModel):
    """Several forward models; the bonus is the variance of their predictions, averaged over entries (Pathak et al.
    2019, arXiv:1906.04161, equation 1). If s' is noise, all of them learn its mean, and the bonus vanishes.

    Differs: it averages over entries; the paper sums.
    """

    reads: tuple[str, ...] = field(default=("obs", "action"), init=False)

    def bonus(self, params: dict, fixed: dict, steps: Steps) -> Float[Array, "*batch"]:
        del fixed
        predicted = jax.vmap(lambda member: self.predicted(member, steps))(params)
        return jnp.mean(jnp.var(predicted, axis=0), axis=-1)


@dataclass(frozen=True, kw_only=True)
class InverseFeatures:
    """Features phi learned by an inverse model, which predicts a from phi(s) and phi(s'), and a forward model in phi
    (Pathak et al. 2017, arXiv:1705.05363).

    The loss is (1 - beta) L_I + beta L_F (equation 7); L_F = 1/2 |f(phi(s), a) - phi(s')|^2 (equation 5) is also the
    bonus (equation 6). L_I is the cross-entropy of a discrete action, or half the squared error of a real one: both are
    in nats, up to a constant.

    Differs: L_F has no gradient through phi(s'), so that features gain nothing by being uninformative; the policy's
    loss is not part of the loss.
    """

    model: Model
    obs_size: int
    action_size: int
    features: int
    discrete: bool
    forward_weight: float

    reads: tuple[str, ...] = field(default=("obs", "action", "next_obs"), init=False)

    @cached_property
    def networks(self) -> dict[str, tuple[nn.Module, int]]:
        """Return each network with the size of its input."""
        outputs = {"phi": self.features, "inverse": self.action_size, "forward": self.features}
        inputs = {"phi": self.obs_size, "inverse": 2 * self.features, "forward": self.features + self.action_size}
        return {name: (self.model.network(outputs[name]), inputs[name]) for name in outputs}

    def init(self, key: Key) -> dict:
        keys = jax.random.split(key, len(self.networks))
        return {
            name: dict(network.init(one, jnp.zeros((1, inputs))))
            for one, (name, (network, inputs)) in zip(keys, self.networks.items(), strict=True)
        }

    def fixed(self, key: Key) -> dict:
        del key
        return {}

    def loss(self, params: dict, fixed: dict, steps: Steps) -> tuple[Float[Array, ""], Metrics]:
        del fixed
        before, after = (self._apply("phi", params, obs) for obs in (steps.obs, steps.next_obs))
        guessed = self._apply("inverse", params, before, after)
        if self.discrete:
            inverse = -jnp.sum(steps.action * jax.nn.log_softmax(guessed), axis=-1)
        else:
            inverse = _half_square(guessed - steps.action)
        forward = _half_square(self._apply("forward", params, before, steps.action) - jax.lax.stop_gradient(after))
        inverse, forward = jnp.mean(inverse), jnp.mean(forward)
        loss = (1.0 - self.forward_weight) * inverse + self.forward_weight * forward
        return loss, {"reward/inverse_loss": inverse}

    def bonus(self, params: dict, fixed: dict, steps: Steps) -> Float[Array, "*batch"]:
        del fixed

        def member(params: dict) -> Array:
            before, after = (self.phi(params, obs) for obs in (steps.obs, steps.next_obs))
            return _half_square(self._apply("forward", params, before, steps.action) - after)

        return jnp.mean(jax.vmap(member)(params), axis=0)

    def phi(self, params: dict, obs: Float[Array, "*batch d"]) -> Float[Array, "*batch features"]:
        """Return one member's features of observations."""
        return self._apply("phi", params, obs)

    def _apply(self, name: str, params: dict, *inputs: Array) -> Array:
        return apply(self.networks[name][0], params[name], jnp.concatenate(inputs, axis=-1))


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """A network that learns to match a fixed random network at s'; the bonus is its mean squared error (Burda et al.
    2018, arXiv:1810.12894, section 2.2). Both have the same architecture, so that an exact match is possible."""

    model: Model
    obs_size: int
    features: int

    reads: tuple[str, ...] = field(default=("next_obs",), init=False)

    @cached_property
    def network(self) -> nn.Module:
        return self.model.network(self.features)

    def init(self, key: Key) -> dict:
        return dict(self.network.init(key, jnp.zeros((1, self.obs_size))))

    def fixed(self, key: Key) -> dict:
        return self.init(key)

    def loss(self, params: dict, fixed: dict, steps: Steps) -> tuple[Float[Array, ""], Metrics]:
        return jnp.mean(self._errors(params, fixed, steps)), {}

    def bonus(self, params: dict, fixed: dict, steps: Steps) -> Float[Array, "*batch"]:
        return jnp.mean(jax.vmap(lambda member: self._errors(member, fixed, steps))(params), axis=0)

    def _errors(self, params: dict, fixed: dict, steps: Steps) -> Float[Array, "*batch"]:
        imitated, target = (apply(self.network, some, steps.next_obs) for some in (params, fixed))
        return jnp.mean(jnp.square(imitated - target), axis=-1)


def _half_square(difference: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
    return 0.5 * jnp.sum(jnp.square(difference), axis=-1)

"""Ensembles whose members learn the same task from separate batches: classifiers, reward models, predictors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import optax
from jax import Array
from jaxtyping import Float

from rl_rewards.core.types import Key

Loss = Callable[..., tuple[Array, Any]]


class Stepped(NamedTuple):
    """The ensemble after a gradient step; leaves [E, ...]."""

    params: Any
    optimizer: optax.OptState
    told: Any  # the loss's auxiliary output
    gradient_norm: Float[Array, " E"]


@dataclass(frozen=True)
class Ensemble:
    """E members with independent weights and optimisers."""

    members: int  # E
    optimizer: optax.GradientTransformation

    def init(self, init_member: Callable[[Key], Any], key: Key) -> Any:
        """Return the variables of all members, leaves [E, ...], each initialised with its own key."""
        return jax.vmap(init_member)(jax.random.split(key, self.members))

    def init_optimizer(self, params: Any) -> optax.OptState:
        """Return the states of the optimisers, leaves [E, ...]."""
        return jax.vmap(self.optimizer.init)(params)

    def step(self, loss: Loss, params: Any, optimizer: optax.OptState, *parts: Any) -> Stepped:
        """Take one gradient step with every member.

        Args:
            loss: the loss of one member: (its params, its share of each of ``parts``) -> (loss, auxiliary output).
            parts: further arguments of ``loss`` for all members, leaves [E, ...].
        """

        def member(params: Any, optimizer: optax.OptState, *part: Any) -> Stepped:
            gradients, told = jax.grad(loss, has_aux=True)(params, *part)
            updates, optimizer = self.optimizer.update(gradients, optimizer, params)
            return Stepped(optax.apply_updates(params, updates), optimizer, told, optax.tree.norm(gradients))

        return jax.vmap(member)(params, optimizer, *parts)

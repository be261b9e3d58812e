"""Several members that learn the same from batches of their own: classifiers, reward models, predictors."""

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
    """Every member after a gradient step; leaves [E, ...]."""

    params: Any
    optimizer: optax.OptState
    told: Any  # what the loss gives besides its value
    gradient_norm: Float[Array, " E"]


@dataclass(frozen=True)
class Ensemble:
    """E members with independent weights and optimisers."""

    members: int  # E
    optimizer: optax.GradientTransformation

    def init(self, init_member: Callable[[Key], Any], key: Key) -> Any:
        """Variables of every member, leaves [E, ...], each from a key of its own."""
        return jax.vmap(init_member)(jax.random.split(key, self.members))

    def init_optimizer(self, params: Any) -> optax.OptState:
        """The optimisers' states, leaves [E, ...]."""
        return jax.vmap(self.optimizer.init)(params)

    def step(self, loss: Loss, params: Any, optimizer: optax.OptState, *parts: Any) -> Stepped:
        """One gradient step of every member.

        Args:
            loss: of one member: (its params, its part of each of ``parts``) -> (loss, what else it tells).
            parts: leaves [E, ...].
        """

        def member(params: Any, optimizer: optax.OptState, *part: Any) -> Stepped:
            gradients, told = jax.grad(loss, has_aux=True)(params, *part)
            updates, optimizer = self.optimizer.update(gradients, optimizer, params)
            return Stepped(optax.apply_updates(params, updates), optimizer, told, optax.tree.norm(gradients))

        return jax.vmap(member)(params, optimizer, *parts)

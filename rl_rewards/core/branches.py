"""Computations that are only sometimes due. Each is traced once, for its shapes and for its branch together."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun
from jaxtyping import Array, Bool

from rl_rewards.core.types import Metrics


def traced(function: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], Any]:
    """Return ``function`` for arguments of the same shapes, which is not traced again, and the shapes of its result."""
    jaxpr, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    flat = jaxpr_as_fun(jaxpr)
    structure = jax.tree.structure(shapes)
    return lambda *given: jax.tree.unflatten(structure, flat(*jax.tree.leaves(given))), shapes


def step_if(due: Bool[Array, ""], step: Callable[[Any], tuple[Any, Metrics]], state: Any) -> tuple[Any, Metrics]:
    """Return ``step(state)``, a new state and metrics, if ``due``; otherwise ``state`` and NaN for every metric."""
    step, (_, shapes) = traced(step, state)
    nothing = jax.tree.map(lambda x: jnp.full(x.shape, jnp.nan, x.dtype), shapes)
    return jax.lax.cond(due, step, lambda state: (state, nothing), state)

"""Chooses the prompts of a file that are used only for evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from rl_rewards.core.checks import require
from rl_rewards.core.text_measures import held_out_prompts


def only_evaluated(prompts: Int[np.ndarray, "n P"], every: int | None) -> Bool[np.ndarray, " n"]:
    """Return True for the prompts that are only for evaluation: about one in ``every``, or none if that is None.

    Raises:
        ConfigError: if no prompt would be left for one of the two sides.
    """
    if every is None:
        return np.zeros(len(prompts), bool)
    with jax.ensure_compile_time_eval():  # the first call may be inside jit
        held = np.asarray(held_out_prompts(jnp.asarray(prompts, jnp.int32), every))
    require(
        bool(held.any() and not held.all()),
        f"env.heldout_every={every} holds out {held.sum()} of the {len(held)} prompts, but some are needed to learn "
        "from, and some others to evaluate on; choose another number, such as 2 or 3, or give more prompts.",
    )
    return held

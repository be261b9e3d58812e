"""Maps from a classifier's logit to a reward. Loss and map together define the kind of adversarial reward."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

RewardMap = Literal["prob", "logit", "log_prob", "neg_log_one_minus", "fairl"]
FAIRL_CLIP = 5.0  # bound of the logit, at which -h e^h is -742


def _fairl(logit: Array) -> Array:
    clipped = jnp.clip(logit, -FAIRL_CLIP, FAIRL_CLIP)
    return -clipped * jnp.exp(clipped)


REWARD_MAPS = {
    "prob": jax.nn.sigmoid,  # D, in [0, 1]: the lecture's choice
    "logit": lambda logit: logit,  # unbounded: AIRL's and VICE's
    "log_prob": jax.nn.log_sigmoid,  # log D <= 0: MEDAL++'s
    "neg_log_one_minus": jax.nn.softplus,  # -log(1 - D) >= 0: GAIL's (arXiv:1606.03476)
    "fairl": _fairl,  # -h e^h: the forward KL divergence (Ghasemipour et al. 2020, arXiv:1911.02256)
}
"""Functions from the logit h of "goal" or "expert" to the reward, where D = sigmoid(h)."""

POSITIVE = ("prob", "neg_log_one_minus")
"""Maps whose reward is always positive, so that longer episodes earn more."""

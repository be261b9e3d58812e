"""From a classifier's logit to a reward. With the classifier's loss, the map makes the kind of adversarial reward."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

RewardMap = Literal["prob", "logit", "log_prob", "neg_log_one_minus", "fairl"]
FAIRL_CLIP = 5.0  # of the logit: -h e^h falls to -742 there


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
"""From the logit of "goal" or "expert" to the reward."""

POSITIVE = ("prob", "neg_log_one_minus")
"""Maps under which every step earns something."""

"""Mixup of a classifier's batches, for labelled pairs and for positives with unlabelled states."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.core.types import Key


def mix(
    key: Key, inputs: Float[Array, "N d"], targets: Float[Array, " N"], alpha: float
) -> tuple[Float[Array, "N d"], Float[Array, " N"]]:
    """Return convex mixtures of random pairs, weights Beta(alpha, alpha) (Zhang et al. 2018, arXiv:1710.09412).

    Beta(1, 1) is drawn as a uniform distribution: JAX's rejection sampling, which on a CPU draws one number at a time,
    took half of the reward's whole update.
    """
    weight_key, partner_key = jax.random.split(key)
    uniform = alpha == 1.0
    shape = targets.shape
    weight = jax.random.uniform(weight_key, shape) if uniform else jax.random.beta(weight_key, alpha, alpha, shape)
    partner = jax.random.randint(partner_key, shape, 0, len(targets))  # a permutation would take longer
    mixed = weight[:, None] * inputs + (1.0 - weight[:, None]) * inputs[partner]
    return mixed, weight * targets + (1.0 - weight) * targets[partner]


def mix_with_unlabelled(key: Key, inputs: Float[Array, "N d"], positives: int, alpha: float) -> Float[Array, "N d"]:
    """Return rows that are each mixed with a random unlabelled row, for the positive-unlabelled risk; labels stay.

    Mixup's loss on a pair is w l(f(z), y) + (1 - w) l(f(z), y') with z = w x + (1 - w) x' and w ~ Beta(a, a). Swapping
    x and x' in the second term shows that its mean is that of l(f(z), y) with w ~ Beta(a + 1, a), whose density is 2 w
    times that of Beta(a, a). Only the label of x is needed, and x' is any state from the natural mixture of classes.
    Unlabelled states are such a mixture. Therefore the risk of positives p and unlabelled states u,

        pi E_p l(f(z), 1) + max(0, E_u l(f(z), 0) - pi E_p l(f(z), 0)),   x ~ p or u,  x' ~ u,  w ~ Beta(a + 1, a),

    estimates mixup's risk on labelled data without bias, except for the max (Kiryo et al. 2017, arXiv:1703.00593,
    equation 6, with z in place of x). Mixing positives only with positives, and unlabelled states only with unlabelled
    states, would be biased: of the pairs of unlabelled states only a share pi^2 are two positives, but the risk would
    subtract a share pi.

    Args:
        inputs: the positives first, then the unlabelled states.
        positives: the number of positives.
    """
    weight_key, partner_key = jax.random.split(key)
    shape = (len(inputs),)
    if alpha == 1.0:  # Beta(2, 1)
        weight = jnp.sqrt(jax.random.uniform(weight_key, shape))
    else:
        weight = jax.random.beta(weight_key, alpha + 1.0, alpha, shape)
    partner = jax.random.randint(partner_key, shape, positives, len(inputs))
    return weight[:, None] * inputs + (1.0 - weight[:, None]) * inputs[partner]

"""Mixup of a classifier's batches: where both labels of a pair are known, and where one kind has none."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.core.types import Key


def mix(
    key: Key, inputs: Float[Array, "N d"], targets: Float[Array, " N"], alpha: float
) -> tuple[Float[Array, "N d"], Float[Array, " N"]]:
    """Mixup (Zhang et al. 2018, arXiv:1710.09412): convex mixtures of random pairs, weights Beta(alpha, alpha).

    Beta(1, 1) is the uniform distribution and drawn as such: JAX's rejection sampling of it, one number after the other
    on a CPU, took half of the reward's whole update.
    """
    weight_key, partner_key = jax.random.split(key)
    uniform = alpha == 1.0
    shape = targets.shape
    weight = jax.random.uniform(weight_key, shape) if uniform else jax.random.beta(weight_key, alpha, alpha, shape)
    partner = jax.random.randint(partner_key, shape, 0, len(targets))  # a permutation of them would take longer
    mixed = weight[:, None] * inputs + (1.0 - weight[:, None]) * inputs[partner]
    return mixed, weight * targets + (1.0 - weight) * targets[partner]


def mix_with_unlabelled(key: Key, inputs: Float[Array, "N d"], positives: int, alpha: float) -> Float[Array, "N d"]:
    """Mixup for the positive-unlabelled risk: each row mixed with a random unlabelled one; its label stays as it is.

    Mixup's loss on a pair is w l(f(z), y) + (1 - w) l(f(z), y') with z = w x + (1 - w) x' and w ~ Beta(a, a). Renaming
    the two halves shows that its mean is that of l(f(z), y) with w ~ Beta(a + 1, a), whose density is 2 w times the
    other's: only the label of x is asked for, and x' is any state, of the classes' natural mixture. Unlabelled states
    are just such a mixture. So the risk of positives p and unlabelled u,

        pi E_p l(f(z), 1) + max(0, E_u l(f(z), 0) - pi E_p l(f(z), 0)),   x ~ p or u,  x' ~ u,  w ~ Beta(a + 1, a),

    estimates mixup's risk of labelled data without bias, but for the max (Kiryo et al. 2017, arXiv:1703.00593, equation
    6, with z in place of x). Mixing positives among themselves and unlabelled states among themselves does not: pairs
    of unlabelled states hold only a share pi^2 of pairs of positives, from which the risk would take away pi.

    Args:
        inputs: the positives first, then the unlabelled ones.
        positives: how many of them are positives.
    """
    weight_key, partner_key = jax.random.split(key)
    shape = (len(inputs),)
    if alpha == 1.0:  # Beta(2, 1)
        weight = jnp.sqrt(jax.random.uniform(weight_key, shape))
    else:
        weight = jax.random.beta(weight_key, alpha + 1.0, alpha, shape)
    partner = jax.random.randint(partner_key, shape, positives, len(inputs))
    return weight[:, None] * inputs + (1.0 - weight[:, None]) * inputs[partner]

"""Measures how far a policy is from the one that its stage began with."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.algorithms.language.responses import Responses
from rl_rewards.core.kl_estimators import estimated_kl, exact_kl
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Metrics
from rl_rewards.models.transformer.generate import Scored


def distance_metrics(responses: Responses, policy: Scored, reference: Scored, exact: bool) -> Metrics:
    """Return the entropy of a token, and the KL divergence of responses from the reference by every estimator, in nats.

    Args:
        responses: sampled from the policy.
        exact: True if both were scored with logits; then the divergence is exact at every token.
    """

    def of_response(values: Array) -> Float[Array, ""]:
        return jnp.mean(jnp.sum(jnp.where(responses.mask, values, 0.0), axis=1))

    found = {
        f"agent/reference_kl_{one}": of_response(estimated_kl(policy.log_prob, reference.log_prob, one))
        for one in ("k1", "k2", "k3")
    }
    best = found["agent/reference_kl_k1"]
    if exact:
        best = of_response(exact_kl(*map(jax.nn.log_softmax, (policy.logits, reference.logits))))
        found["agent/reference_kl_exact"] = best
    return found | {"agent/reference_kl": best, "agent/entropy": masked_mean(policy.entropy, responses.mask)}
